package image

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/multihome/multihome"
)

// archSource is where the trouble with images for arm64 is known from.
const archSource = "multus-cni #1251, #974, #1123; rancher/rke2 #6181"

// archRemedy names the two ways out.
func archRemedy(p platform) string {
	return fmt.Sprintf("name an image that is built for it in Config.ArchImages[%q], or build one with image.Build", p.arch)
}

// missingPlatform says that nodes of p cannot pull the image.
func (v *verification) missingPlatform(p platform, entries []entry) {
	var has []string
	for _, e := range entries {
		if name := e.platform.String(); e.platform.known() && !slices.Contains(has, name) {
			has = append(has, name)
		}
	}
	what := "it holds no image at all"
	if len(has) > 0 {
		what = "it holds " + strings.Join(has, ", ") + " alone"
	}
	v.add(multihome.SeverityError, "image/no-platform", p, "there is no image for "+p.String()+"; "+what+", so that a pull fails on such a node", archRemedy(p), archSource)
}

// fallback says what nodes of p pull in place of an image of their own.
func (v *verification) fallback(p, taken platform, programs []Program) {
	machines := map[string]bool{}
	for _, program := range programs {
		if program.Machine != "" {
			machines[program.Machine] = true
		}
	}
	what := "whose programs were not found"
	if len(machines) > 0 {
		what = "whose programs are built for " + strings.Join(slices.Sorted(maps.Keys(machines)), ", ")
	}
	v.add(multihome.SeverityError, "image/no-platform", p,
		fmt.Sprintf("there is no image for %s; containerd takes %s in its place, %s", p, taken, what), archRemedy(p), archSource+"; containerd/platforms compare.go")
}

// judge says what is wrong with the programs of an image.
func (v *verification) judge(p platform, s *search, layers []v1.Descriptor) {
	missing := map[bool][]string{}   // by optional
	wrong := map[string][]string{}   // by machine
	loaders := map[string][]string{} // missing ones, by name
	var notPrograms, notExecutable []string
	for _, w := range s.wants {
		files := s.files(w)
		if len(files) == 0 {
			missing[w.optional] = append(missing[w.optional], w.name)
		}
		for _, file := range files {
			b := file.node.binary
			switch {
			case !file.found && file.by != nil:
				loaders[file.name] = append(loaders[file.name], file.by.name)
			case !file.found:
				missing[file.optional] = append(missing[file.optional], file.name)
			case b.Machine == "" && b.Interpreter == "":
				notPrograms = append(notPrograms, file.name)
			case b.Machine != "" && b.Machine != p.arch:
				wrong[b.Machine] = append(wrong[b.Machine], file.name)
			case file.node.mode&0o111 == 0:
				notExecutable = append(notExecutable, file.name)
			}
		}
	}
	for _, machine := range slices.Sorted(maps.Keys(wrong)) {
		v.add(multihome.SeverityError, "image/wrong-machine", p,
			fmt.Sprintf("%s %s built for %s; such a program ends with exec format error", few(wrong[machine]), isAre(wrong[machine]), machine), archRemedy(p), archSource)
	}
	unread := ""
	if s.unread > 0 {
		unread = fmt.Sprintf(", as far as its layers were read: %d of %d were not", s.unread, len(layers))
	}
	if names := missing[false]; len(names) > 0 {
		v.add(multihome.SeverityError, "image/no-program", p,
			"lacks "+few(names)+unread, "use the thick image of the release, or one made by image.Build", "multus-cni #1103, images/Dockerfile.thick")
	}
	if names := missing[true]; len(names) > 0 {
		v.add(multihome.SeverityWarning, "image/no-cleaner", p,
			"lacks "+few(names)+", which an uninstall runs"+unread, "name another image in UninstallOptions.Image when the time comes", "")
	}
	for _, loader := range slices.Sorted(maps.Keys(loaders)) {
		v.add(multihome.SeverityError, "image/no-loader", p,
			fmt.Sprintf("lacks %s, without which %s cannot start%s: the message is no such file or directory", loader, few(loaders[loader]), unread), "build the programs with CGO_ENABLED=0, or on a base that has it", "execve(2), ENOENT")
	}
	if len(notPrograms) > 0 {
		v.add(multihome.SeverityError, "image/no-program", p,
			fmt.Sprintf("%s %s no program", few(notPrograms), isAre(notPrograms)), "build the image anew", "execve(2), ENOEXEC")
	}
	if len(notExecutable) > 0 {
		v.add(multihome.SeverityError, "image/not-executable", p,
			fmt.Sprintf("%s %s not executable", few(notExecutable), isAre(notExecutable)), "build the image anew with mode 0755", "execve(2), EACCES")
	}
	if s.tree.escapes > 0 {
		v.add(multihome.SeverityWarning, "image/path-escape", p,
			fmt.Sprintf("%d names of files in its layers climb out of the image by ..; no tool for images writes such", s.tree.escapes), "find out who made the image", "CVE-2018-1002207")
	}
}

func isAre(names []string) string {
	if len(names) == 1 {
		return "is"
	}
	return "are"
}

// few lists names, at most eight.
func few(names []string) string {
	const most = 8
	out := strings.Join(names[:min(most, len(names))], ", ")
	if len(names) > most {
		out += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return out
}
