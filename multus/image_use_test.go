package multus_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/multihome/multihome/multus"
)

func TestImageUses(t *testing.T) {
	const official = "ghcr.io/k8snetworkplumbingwg/multus-cni:"
	const dir = "/usr/src/multus-cni/bin/"
	both := []string{"amd64", "arm64"}
	cleaner := []string{"/bin/sh", "grep", "mv", "rm", "rmdir", "sha256sum", "sleep"}
	patched := func(apply func(*appsv1.DaemonSet)) multus.Config {
		return multus.Config{Patches: []multus.Patch{{Name: "test", Apply: func(b *multus.Bundle) error { apply(b.DaemonSets[0]); return nil }}}}
	}
	daemon := multus.ImageUse{
		Image: official + "v4.3.0-thick", Architectures: both, Optional: cleaner,
		Programs: []string{"/bin/sh", dir + "install_multus", dir + "multus-daemon", dir + "multus-shim", dir + "passthru", "cat", "rm"},
	}
	with := func(use multus.ImageUse, change func(*multus.ImageUse)) multus.ImageUse {
		change(&use)
		return use
	}
	tests := []struct {
		name   string
		config multus.Config
		want   []multus.ImageUse
	}{
		{"default", multus.Config{}, []multus.ImageUse{daemon}},
		{"before the passthru plugin", multus.Config{Version: "v4.1.0"}, []multus.ImageUse{with(daemon, func(u *multus.ImageUse) {
			u.Image, u.Programs = official+"v4.1.0-thick", []string{"/bin/sh", dir + "install_multus", dir + "multus-daemon", dir + "multus-shim", "cat", "rm"}
		})}},
		{"copied by cp", multus.Config{Version: "v4.0.2", Skip: []string{"shim-install", "startup"}, Platform: multus.Platform{Architectures: []string{"amd64"}}}, []multus.ImageUse{with(daemon, func(u *multus.ImageUse) {
			u.Image, u.Architectures, u.Programs = official+"v4.0.2-thick", []string{"amd64"}, []string{dir + "multus-daemon", dir + "multus-shim", "cp"}
		})}},
		{"copied by a shell", multus.Config{Version: "v4.2.2", Skip: []string{"shim-install"}}, []multus.ImageUse{with(daemon, func(u *multus.ImageUse) {
			u.Image, u.Programs = official+"v4.2.2-thick", []string{"/bin/sh", dir + "multus-daemon", dir + "multus-shim", dir + "passthru", "cat", "cp", "rm", "sh"}
		})}},
		{"all plugins", multus.Config{ReferencePlugins: multus.ReferencePlugins{Install: true, Image: "a/plugins:1"}}, []multus.ImageUse{
			{Image: "a/plugins:1", Architectures: both, Programs: []string{"/bin/sh", "/plugins/*", "chmod", "cp", "grep", "mkdir", "mv", "rm", "sha256sum", "sync"}},
			daemon,
		}},
		{"some plugins of one image for both", multus.Config{Image: "a/both:1", ReferencePlugins: multus.ReferencePlugins{Install: true, Image: "a/both:1", Dir: "/opt", Plugins: []string{"macvlan"}}}, []multus.ImageUse{with(daemon, func(u *multus.ImageUse) {
			u.Image = "a/both:1"
			u.Programs = []string{"/bin/sh", "/opt/macvlan", dir + "install_multus", dir + "multus-daemon", dir + "multus-shim", dir + "passthru", "cat", "chmod", "cp", "grep", "mkdir", "mv", "rm", "sha256sum", "sync"}
		})}},
		{"an image for arm64", multus.Config{ArchImages: map[string]string{"arm64": "a/arm:1"}}, []multus.ImageUse{
			with(daemon, func(u *multus.ImageUse) { u.Image, u.Architectures = "a/arm:1", []string{"arm64"} }),
			with(daemon, func(u *multus.ImageUse) { u.Architectures = []string{"amd64"} }),
		}},
		{"an image for nodes that are not there", multus.Config{ArchImages: map[string]string{"arm64": "a/arm:1"}, Platform: multus.Platform{Architectures: []string{"amd64"}}}, []multus.ImageUse{
			with(daemon, func(u *multus.ImageUse) { u.Architectures = []string{"amd64"} }),
		}},
		{"nodes selected", multus.Config{NodeSelector: map[string]string{"kubernetes.io/arch": "arm64"}}, []multus.ImageUse{
			with(daemon, func(u *multus.ImageUse) { u.Architectures = []string{"arm64"} }),
		}},
		{"a program on a volume, and the image's own", patched(func(ds *appsv1.DaemonSet) {
			ds.Spec.Template.Spec.Containers = append(ds.Spec.Template.Spec.Containers,
				corev1.Container{Name: "a", Image: "a/a:1", Command: []string{"/host/run"}, VolumeMounts: []corev1.VolumeMount{{Name: "cni", MountPath: "/host"}}},
				corev1.Container{Name: "b", Image: "a/a:1", LivenessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"/healthy"}}}}})
		}), []multus.ImageUse{{Image: "a/a:1", Architectures: both, Programs: []string{"/healthy"}}, daemon}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bundle, err := multus.Render(test.config)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, bundle.ImageUses()); diff != "" {
				t.Errorf("uses (-want +got):\n%s", diff)
			}
		})
	}
}
