package multus

import (
	"context"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/cilium"
)

// ciliumFindings judges what Cilium does with other conflists, and reads its
// settings for that if detection has not: by read, which is lookAtCilium, or
// lookAtCiliumConfig where requests are counted.
func (i *Installer) ciliumFindings(ctx context.Context, t *target, read func(*survey, context.Context, client.Reader) error) ([]multihome.Finding, error) {
	if t.survey.cilium == nil && !t.survey.whole {
		if err := read(&t.survey, ctx, i.client); err != nil {
			return nil, err
		}
	}
	return t.survey.ciliumFindings(), nil
}

// ciliumNamespace is where Cilium is, "" where it is not.
func (s *survey) ciliumNamespace() string {
	i := slices.IndexFunc(s.primaries, func(p primaryFacts) bool { return p.cni == "cilium" })
	if i < 0 {
		return ""
	}
	return s.primaries[i].namespace
}

// lookAtCilium reads what Cilium does with other conflists, on every node.
func (s *survey) lookAtCilium(ctx context.Context, reader client.Reader) error {
	namespace := s.ciliumNamespace()
	if namespace == "" {
		return nil
	}
	config, err := cilium.Read(ctx, reader, namespace)
	if err != nil {
		return err
	}
	for _, f := range config.Unseen {
		if f.Code == "cilium/unseen" {
			f.Code = "multus/unseen"
		}
		s.unseen = append(s.unseen, f)
	}
	config.Unseen = nil
	if config.Known {
		s.cilium = &config
	}
	return nil
}

// lookAtCiliumConfig reads the same for all nodes alike, in one request.
func (s *survey) lookAtCiliumConfig(ctx context.Context, reader client.Reader) error {
	namespace := s.ciliumNamespace()
	if namespace == "" {
		return nil
	}
	data, found, err := s.configMap(ctx, reader, namespace, "cilium-config", "how Cilium treats other conflists")
	if !found {
		return err
	}
	settings, _ := cilium.Parse(data) // what is wrong there is for Plan and Status to say
	s.cilium = &cilium.Config{Settings: settings, Known: true, Namespace: namespace}
	return nil
}

// ciliumFindings are what Cilium's settings do to Multus. What is good to know
// of them besides is for those who ask package cilium.
func (s survey) ciliumFindings() []multihome.Finding {
	if s.cilium == nil {
		return nil
	}
	return slices.DeleteFunc(s.cilium.Findings(), func(f multihome.Finding) bool { return f.Severity == multihome.SeverityInfo })
}

// ciliumRenames reports whether Cilium takes Multus' configuration away, on
// some node at least.
func (s survey) ciliumRenames() bool {
	return slices.ContainsFunc(s.ciliumFindings(), func(f multihome.Finding) bool { return f.Code == "cilium/exclusive" })
}
