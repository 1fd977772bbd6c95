package multus

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Fix is one correction of upstream's manifest, and why it is made.
type Fix struct {
	// Name is what Config.Skip takes: "netns".
	Name string `json:"name"`
	// Reason says what goes wrong without it.
	Reason string `json:"reason"`
	// Source says where that is known from.
	Source string `json:"source,omitempty"`
}

// Fixes returns every fix there is, in the order in which they are applied.
// Which of them a Bundle needed is in Bundle.Fixes.
func Fixes() []Fix {
	out := make([]Fix, 0, len(fixes))
	for _, f := range fixes {
		out = append(out, f.Fix)
	}
	return out
}

// fix is a Fix with the code that makes it. Each lives in a file named after
// it, fix_<name>.go.
type fix struct {
	Fix
	// applies says whether this build needs the fix.
	applies func(*build) bool
	// apply changes b.bundle.
	apply func(*build)
}

// fixes in the order in which they are applied: what later ones read comes
// first, and arm64 copies the finished DaemonSet.
var fixes = []fix{
	imagePinFix,
	netnsFix,
	shimInstallFix,
	memoryFix,
	startupFix,
	priorityFix,
	primaryCNIFix,
	referencePluginsFix,
	rbacFix,
	configRestartFix,
	arm64Fix,
}

func always(*build) bool { return true }

// build is one Render under way. All problems of the Config were found before
// it starts, so that fixes cannot fail.
type build struct {
	config  Config // as given, with Version and Namespace filled in
	release release
	// upstream is what the build started from.
	upstream upstreamManifest
	bundle   *Bundle
	// daemon is daemon-config.json while it is being changed.
	daemon map[string]any
	// restartOnConfig: a changed daemon configuration must restart the pods.
	restartOnConfig bool
}

func (b *build) daemonSet() *appsv1.DaemonSet { return b.bundle.DaemonSets[0] }

func (b *build) podSpec() *corev1.PodSpec { return &b.daemonSet().Spec.Template.Spec }

// daemonContainer is the container that runs multus-daemon.
func (b *build) daemonContainer() *corev1.Container {
	return container(b.podSpec().Containers, "kube-multus")
}

// installContainer is the init container that installs the shim.
func (b *build) installContainer() *corev1.Container {
	return container(b.podSpec().InitContainers, "install-multus-binary")
}

// container finds a container by name. A test holds the names against every
// embedded manifest.
func container(list []corev1.Container, name string) *corev1.Container {
	i := slices.IndexFunc(list, func(c corev1.Container) bool { return c.Name == name })
	if i < 0 {
		return &corev1.Container{}
	}
	return &list[i]
}
