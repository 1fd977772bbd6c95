package talos

import (
	"fmt"
	"slices"
)

// NoCNIConfig says what a cluster without Talos' own CNI leaves out too.
type NoCNIConfig struct {
	_ [0]func() // not comparable: fields may be added
	// DisableKubeProxy leaves kube-proxy out, for a CNI that replaces it, such
	// as Cilium with kubeProxyReplacement.
	DisableKubeProxy bool `json:"disableKubeProxy,omitempty"`
	// Form is the way to write it. Empty is what fits the version: documents
	// from Talos v1.14, but on a config that was upgraded and still has
	// cluster.network or cluster.proxy, Apply writes the legacy form.
	Form Form `json:"form,omitempty"`
}

// NoCNIPatch returns the patch that stops Talos from installing Flannel, so
// that Cilium or another CNI can be the primary CNI that Multus stands on: CNI
// "none" and, if asked for, no kube-proxy. Talos reads it when it bootstraps
// the cluster; on a running cluster it deletes nothing. It belongs into the
// config of every node; among documents (v1.14) that of workers has nothing to
// change, and Apply leaves it as it is.
//
// The error is a *NotSupportedError where the version lacks the form.
func NoCNIPatch(talosVersion string, config NoCNIConfig) (Patch, error) {
	v, err := parseVersion(talosVersion)
	if err != nil {
		return Patch{}, err
	}
	p := Patch{version: v}
	legacy := legacyConfig{Cluster: &legacyCluster{Network: &clusterNetwork{CNI: &clusterCNI{Name: "none"}}}}
	if config.DisableKubeProxy {
		legacy.Cluster.Proxy = &clusterProxy{Disabled: true}
	}
	form := config.Form
	if form == FormAuto {
		form = FormLegacy
		if v.kubernetesDocuments() {
			form = FormDocuments
		}
	}
	switch {
	case form == FormLegacy:
		p.legacy = legacy
		return p.finish()
	case form != FormDocuments:
		_, err := v.form(form)
		return Patch{}, err
	case !v.kubernetesDocuments():
		return Patch{}, &NotSupportedError{Field: "form", Feature: "Kubernetes configuration as documents", Version: v.text, Minimum: "v1.14"}
	}
	flannel := newDocument(kindFlannel, "")
	flannel.Patch = "delete"
	p.documents = []document{flannel}
	if config.DisableKubeProxy {
		proxy := newDocument(kindProxy, "")
		proxy.Enabled = new(false)
		p.documents = append(p.documents, proxy)
	}
	p.upgraded = legacy
	return p.finish()
}

// choose adapts what concerns Kubernetes to one machine config: the form of an
// upgraded cluster, and the rules for workers.
func (p Patch) choose(config model) (Patch, error) {
	machine, cluster := config.legacy.Machine, config.legacy.Cluster
	worker := machine != nil && machine.Type == "worker"
	if worker && p.hasManifests() {
		return Patch{}, fmt.Errorf("machine config: machine.type is worker: only control planes apply inline manifests, patch their configs")
	}
	if worker && slices.ContainsFunc(p.model().views, func(v view) bool { return len(v.addressing.vips) > 0 }) {
		return Patch{}, fmt.Errorf("machine config: machine.type is worker: only control planes share a VIP, leave vip out of the patch for workers")
	}
	if p.upgraded.Cluster == nil {
		return p, nil
	}
	switch {
	case cluster != nil && (cluster.Network != nil || cluster.Proxy != nil):
		if errs := addLegacy(nil, &p.legacy, p.upgraded); len(errs) > 0 {
			return Patch{}, joinErrors(errs)
		}
	case !worker:
		return p, nil
	}
	var documents []document
	for _, d := range p.documents {
		if d.Kind != kindFlannel && d.Kind != kindProxy {
			documents = append(documents, d)
		}
	}
	p.documents = documents
	return p, nil
}
