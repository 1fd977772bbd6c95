package multus

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// ImageUse is one image of a [Bundle]: on which nodes it runs, and what of it.
// Package multus/image looks into images for it.
type ImageUse struct {
	// Image is the reference, as the containers name it.
	Image string `json:"image"`
	// Architectures of the nodes that pull it, sorted. Where the Platform does
	// not name any, amd64 and arm64 count. An image that no node pulls is left
	// out.
	Architectures []string `json:"architectures"`
	// Programs that it must hold: what the containers run or copy to the node,
	// as absolute paths or, where the container runtime looks them up in PATH,
	// as names. "/plugins/*" stands for every program in a directory.
	Programs []string `json:"programs,omitempty"`
	// Optional programs are run by an uninstall alone, which can be given
	// another image.
	Optional []string `json:"optional,omitempty"`
}

// ImageUses returns what the Bundle needs of every image, sorted by image. What
// a script of the caller's own runs cannot be told.
func (b *Bundle) ImageUses() []ImageUse {
	var out []ImageUse
	for _, ds := range b.DaemonSets {
		spec := &ds.Spec.Template.Spec
		for _, c := range containersOf(spec) {
			use := ImageUse{Image: c.Image, Architectures: architecturesOf(ds, b.Config.Platform.Architectures), Programs: b.programsOf(c)}
			if len(use.Architectures) == 0 {
				continue
			}
			if c.Name == "kube-multus" {
				use.Optional = cleanNodePrograms
			}
			out = append(out, use)
		}
	}
	slices.SortStableFunc(out, func(a, b ImageUse) int { return cmp.Compare(a.Image, b.Image) })
	merged := out[:0]
	for _, use := range out {
		if n := len(merged); n == 0 || merged[n-1].Image != use.Image {
			merged = append(merged, ImageUse{Image: use.Image})
		}
		last := &merged[len(merged)-1]
		last.Architectures = union(last.Architectures, use.Architectures)
		last.Programs = union(last.Programs, use.Programs)
		last.Optional = union(last.Optional, use.Optional)
	}
	return merged
}

func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// architecturesOf returns which architectures of nodes a DaemonSet serves, by
// what it requires of kubernetes.io/arch.
func architecturesOf(ds *appsv1.DaemonSet, nodes []string) []string {
	if len(nodes) == 0 {
		nodes = []string{"amd64", "arm64"}
	}
	spec := &ds.Spec.Template.Spec
	affinity := archAffinity(spec)
	return slices.DeleteFunc(slices.Clone(nodes), func(arch string) bool {
		if selected, ok := spec.NodeSelector[corev1.LabelArchStable]; ok && selected != arch {
			return true
		}
		return affinity != nil && !slices.ContainsFunc(affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms,
			func(term corev1.NodeSelectorTerm) bool { return admits(term, arch) })
	})
}

// admits reports whether a node of the architecture meets what the term says of
// it.
func admits(term corev1.NodeSelectorTerm, arch string) bool {
	return !slices.ContainsFunc(term.MatchExpressions, func(r corev1.NodeSelectorRequirement) bool {
		listed := slices.Contains(r.Values, arch)
		return r.Operator == corev1.NodeSelectorOpIn && !listed || r.Operator == corev1.NodeSelectorOpNotIn && listed
	})
}

// multusProgram finds the programs of a Multus image that a command line names.
var multusProgram = regexp.MustCompile(`/usr/src/multus-cni/bin/[a-z_-]+`)

// Programs that the scripts run which this package sends to nodes.
var (
	installPluginsPrograms = []string{"/bin/sh", "chmod", "cp", "grep", "mkdir", "mv", "rm", "sha256sum", "sync"}
	startupPrograms        = []string{"/bin/sh", "cat", "rm"}
	cleanNodePrograms      = []string{"/bin/sh", "grep", "mv", "rm", "rmdir", "sha256sum", "sleep"}
)

// programsOf returns what a container runs of its image.
func (b *Bundle) programsOf(c corev1.Container) []string {
	var out []string
	words := slices.Concat(c.Command, c.Args)
	if len(c.Command) > 0 {
		out = append(out, c.Command[0])
	}
	for _, word := range words {
		out = append(out, multusProgram.FindAllString(word, -1)...)
	}
	switch {
	case c.Name == referencePluginsContainer && slices.Contains(words, installPluginsScript):
		out = append(out, installPluginsPrograms...)
		out = append(out, pluginPaths(c.Env)...)
	case slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(word, "cp ") }):
		out = append(out, "cp")
	case len(c.Command) > 0 && path.Base(c.Command[0]) == "install_multus":
		dir := path.Dir(c.Command[0])
		out = append(out, path.Join(dir, "multus-shim"))
		if versionAtLeast(b.Version, "v4.2.1") { // the first one with the passthru plugin
			out = append(out, path.Join(dir, "passthru"))
		}
	}
	for _, probe := range []*corev1.Probe{c.StartupProbe, c.LivenessProbe, c.ReadinessProbe} {
		if probe != nil && probe.Exec != nil && len(probe.Exec.Command) > 0 {
			out = append(out, probe.Exec.Command[0])
			if slices.Contains(probe.Exec.Command, startupScript) {
				out = append(out, startupPrograms...)
			}
		}
	}
	// What lies on a volume is not of the image.
	return slices.DeleteFunc(out, func(name string) bool { return path.IsAbs(name) && mounted(name, c.VolumeMounts) })
}

// pluginPaths returns the plugins that the reference-plugins fix copies.
func pluginPaths(env []corev1.EnvVar) []string {
	value := func(name string) string {
		i := slices.IndexFunc(env, func(e corev1.EnvVar) bool { return e.Name == name })
		if i < 0 {
			return ""
		}
		return env[i].Value
	}
	dir, names := value("SOURCE"), strings.Fields(value("PLUGINS"))
	if len(names) == 0 {
		return []string{path.Join(dir, "*")}
	}
	for i := range names {
		names[i] = path.Join(dir, names[i])
	}
	return names
}
