package cilium

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/live"
)

const (
	// codeUnseen is what could not be read.
	codeUnseen = "cilium/unseen"
	// defaultNamespace is where Cilium usually is.
	defaultNamespace = "kube-system"
)

// agentLabels are those of the agents' DaemonSet and pods, whatever they are
// called.
var agentLabels = client.MatchingLabels{"k8s-app": "cilium"}

// Detect reads from a live cluster how Cilium is set up there. It writes
// nothing. The error is [ErrNotFound] where no DaemonSet has the agents' label
// k8s-app=cilium, in whatever namespace.
//
// Requests: lists of DaemonSets with that label, of CiliumNodeConfigs in
// Cilium's namespace and of CiliumNodes, one ConfigMap, and a list of Nodes
// only if there is a CiliumNodeConfig; lists take 500 objects a time. Nothing
// is cached. A manager's cache will not do as a reader, because it cannot list
// by pages.
//
// [DetectRBAC] is what the client must be allowed. A permission that is missing
// is a finding "cilium/unseen" in Config.Unseen that names it. Without that for
// DaemonSets Cilium is expected in kube-system, and where that has no
// cilium-config the error says what is missing.
//
// Every other error names the request and wraps its cause; it is ctx's when ctx
// ended.
func Detect(ctx context.Context, reader client.Reader) (Config, error) {
	if reader == nil {
		return Config{}, errors.New("reader is nil; give a sigs.k8s.io/controller-runtime/pkg/client")
	}
	d := &detection{reader: reader}
	if err := d.agents(ctx); err != nil {
		return Config{}, err
	}
	if err := d.settings(ctx); err != nil {
		return Config{}, err
	}
	if !d.config.Known && d.forbidden != nil {
		return Config{}, d.forbidden
	}
	if err := d.nodeCIDRs(ctx); err != nil {
		return Config{}, err
	}
	return d.config, nil
}

// Read reads the settings of the Cilium in namespace, for a caller who knows
// that it is there: as [Detect], without the lists of DaemonSets and
// CiliumNodes, so that DaemonSet, Version and NodeCIDRs stay empty. Where
// there is no cilium-config, Known is false and Unseen says so.
func Read(ctx context.Context, reader client.Reader, namespace string) (Config, error) {
	if reader == nil {
		return Config{}, errors.New("reader is nil; give a sigs.k8s.io/controller-runtime/pkg/client")
	}
	d := &detection{reader: reader, config: Config{Namespace: namespace}}
	if err := d.settings(ctx); err != nil {
		return Config{}, err
	}
	return d.config, nil
}

// detection is one Detect under way.
type detection struct {
	reader client.Reader
	config Config
	data   map[string]string // of cilium-config
	// strict: a missing permission is an error.
	strict bool
	// forbidden is that DaemonSets may not be listed, nil if they may.
	forbidden error
	// live objects, for who wants to change them
	configMap *unstructured.Unstructured
	overrides []override
	daemonSet *appsv1.DaemonSet
}

// agents finds the DaemonSet.
func (d *detection) agents(ctx context.Context) error {
	found := map[string]*appsv1.DaemonSet{} // by name: a list that begins again brings objects twice
	err := live.EachPage(ctx, d.reader, live.List("apps/v1", "DaemonSet"), func(object *unstructured.Unstructured) error {
		ds, err := convert[appsv1.DaemonSet](object)
		if err == nil {
			found[ds.Namespace+"/"+ds.Name] = ds
		}
		return err
	}, agentLabels)
	if err != nil && d.strict {
		return err
	}
	if excused, rest := live.Unseen(err, codeUnseen, "list", "daemonsets.apps in all namespaces", "where Cilium's agents are and which version"); rest != nil {
		return rest
	} else if excused.Code != "" {
		d.forbidden = err
		d.config.Namespace = defaultNamespace
		d.config.Unseen = append(d.config.Unseen, excused)
		return nil
	}
	if len(found) == 0 {
		return ErrNotFound
	}
	all := make([]*appsv1.DaemonSet, 0, len(found))
	for _, ds := range found {
		all = append(all, ds)
	}
	slices.SortFunc(all, func(a, b *appsv1.DaemonSet) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	d.daemonSet = all[0]
	d.config.Namespace, d.config.DaemonSet, d.config.Version = all[0].Namespace, all[0].Name, versionOf(all[0])
	if len(all) > 1 {
		var names []string
		for _, ds := range all {
			names = append(names, ds.Namespace+"/"+ds.Name)
		}
		d.unseen("", "several DaemonSets have the label of Cilium's agents: "+some(names)+"; only the first was looked at", "take the label k8s-app=cilium off the others")
	}
	return nil
}

// settings reads cilium-config and what nodes have instead.
func (d *detection) settings(ctx context.Context) error {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("v1")
	object.SetKind("ConfigMap")
	name := d.config.Namespace + "/" + configMapName
	err := d.reader.Get(ctx, client.ObjectKey{Namespace: d.config.Namespace, Name: configMapName}, object)
	switch {
	case apierrors.IsNotFound(err):
		d.unseen("ConfigMap "+name, "is not there, so how Cilium treats other conflists is not known", "look for the settings that the agents were given")
		return nil
	case err != nil:
		err = fmt.Errorf("get ConfigMap %s: %w", name, err)
		return d.excuse(err, "get", "configmap "+configMapName+" in namespace "+d.config.Namespace, "how Cilium treats other conflists")
	}
	d.configMap, d.config.Known = object, true
	d.data, _, _ = unstructured.NestedStringMap(object.Object, "data")
	d.config.Settings, err = Parse(d.data)
	d.misread("ConfigMap "+name, err)
	return d.nodes(ctx)
}

// nodeCIDRs reads what Cilium gave its nodes.
func (d *detection) nodeCIDRs(ctx context.Context) error {
	cidrs := map[string][]string{}
	err := live.EachPage(ctx, d.reader, live.List("cilium.io/v2", "CiliumNode"), func(object *unstructured.Unstructured) error {
		if list, _, _ := unstructured.NestedStringSlice(object.Object, "spec", "ipam", "podCIDRs"); len(list) > 0 {
			cidrs[object.GetName()] = list
		}
		return nil
	})
	if notServed(err) {
		return nil
	}
	if err == nil && len(cidrs) > 0 {
		d.config.NodeCIDRs = cidrs
	}
	return d.excuse(err, "list", "ciliumnodes.cilium.io", "the networks of pods that Cilium gives out")
}

func (d *detection) unseen(object, message, remedy string) {
	d.config.Unseen = append(d.config.Unseen, multihome.Finding{
		Code: codeUnseen, Severity: multihome.SeverityWarning, Object: object, Message: message, Remedy: remedy,
	})
}

// misread turns the problems of Parse into findings: an agent does not start
// with such values.
func (d *detection) misread(object string, err error) {
	joined, ok := err.(interface{ Unwrap() []error }) // Parse joins and nothing wraps
	if !ok {
		return
	}
	for _, problem := range joined.Unwrap() {
		d.config.Unseen = append(d.config.Unseen, multihome.Finding{
			Code: "cilium/setting", Severity: multihome.SeverityWarning, Object: object, Message: problem.Error(),
			Remedy: "correct it; Cilium's agents do not start with it", Source: "cilium pkg/option",
		})
	}
}

// excuse turns a missing permission into a finding.
func (d *detection) excuse(err error, verb, what, tells string) error {
	if d.strict {
		return err
	}
	finding, err := live.Unseen(err, codeUnseen, verb, what, tells)
	if finding.Code != "" {
		d.config.Unseen = append(d.config.Unseen, finding)
	}
	return err
}

// versionTag begins a tag that names a release: "v1.20.2",
// "v1.20.2-build20260801".
var versionTag = regexp.MustCompile(`^v?(\d+\.\d+\.\d+(-(rc|pre)\.\d+)?)([-.]|$)`)

// versionOf is the version of the agents, "" if nothing names it.
func versionOf(ds *appsv1.DaemonSet) string {
	containers := ds.Spec.Template.Spec.Containers
	agent := max(slices.IndexFunc(containers, func(c corev1.Container) bool { return c.Name == "cilium-agent" }), 0)
	if len(containers) > 0 {
		image, _, _ := strings.Cut(containers[agent].Image, "@")
		if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
			if v := released(image[colon+1:]); v != "" {
				return v
			}
		}
	}
	chart, _ := strings.CutPrefix(ds.Labels["helm.sh/chart"], "cilium-")
	return released(chart)
}

func released(tag string) string {
	match := versionTag.FindStringSubmatch(tag)
	if match == nil {
		return ""
	}
	return "v" + match[1]
}

// convert turns what came from the API server into its type.
func convert[T any](object *unstructured.Unstructured) (*T, error) {
	out := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, out); err != nil {
		return nil, fmt.Errorf("%s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
	}
	return out, nil
}
