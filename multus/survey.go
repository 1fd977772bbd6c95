package multus

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/cilium"
	"github.com/multihome/multihome/internal/live"
)

// survey is what one look at a cluster saw. It keeps a few words of each node,
// because there can be thousands, and whole objects only of what may be a
// Multus.
type survey struct {
	nodes     []nodeFacts                  // by name
	primaries []primaryFacts               // DaemonSets of primary CNIs, by namespace and name
	multuses  []*unstructured.Unstructured // DaemonSets that are Multus or look like it, by namespace and name
	cleaners  []*unstructured.Unstructured // DaemonSets of an uninstall that is not finished, by namespace and name
	cilium    *cilium.Config               // nil: its settings were not looked for, not there or not readable
	unseen    []multihome.Finding          // what could not be read

	// whole: more than the DaemonSets was asked for, so a Platform can be told.
	whole bool
	// sawNodes and sawDaemonSets: an empty list above means that there are none.
	sawNodes, sawDaemonSets bool
}

// nodeFacts is what is kept of a Node.
type nodeFacts struct {
	name, os, arch, kubelet, runtime string
	ready, unschedulable             bool
}

// primaryFacts is what is kept of the DaemonSet of a primary CNI.
type primaryFacts struct {
	cni, namespace, name string
	conflist             string // the file that it says it writes, "" if it does not say
	cniVersion           string // of that file, from its ConfigMap, "" if not read
}

// look reads all that a Platform is made of. Requests: a list of DaemonSets
// and one of Nodes (500 a page), and the ConfigMap of Flannel or what
// cilium.Read asks, where one of these runs.
func look(ctx context.Context, reader client.Reader) (survey, error) {
	s, err := lookAtDaemonSets(ctx, reader)
	if err != nil {
		return s, err
	}
	s.whole = true
	for _, step := range []func(context.Context, client.Reader) error{s.lookAtNodes, s.lookAtCilium, s.lookAtFlannel} {
		if err := step(ctx, reader); err != nil {
			return s, err
		}
	}
	return s, nil
}

// lookAtDaemonSets reads no more than the DaemonSets, for a caller who knows
// the Platform.
func lookAtDaemonSets(ctx context.Context, reader client.Reader) (survey, error) {
	var s survey
	// By name, because a list that begins again brings objects twice.
	primaries, multuses, cleaners := map[string]primaryFacts{}, map[string]*unstructured.Unstructured{}, map[string]*unstructured.Unstructured{}
	err := live.EachPage(ctx, reader, live.List("apps/v1", "DaemonSet"), func(object *unstructured.Unstructured) error {
		ds, err := convert[appsv1.DaemonSet](object)
		if err != nil {
			return err
		}
		key := ds.Namespace + "/" + ds.Name
		if found, ok := primaryOf(ds); ok {
			primaries[key] = found
		}
		switch { // a pointer into the page would keep all of it
		case isCleaner(ds):
			cleaners[key] = object.DeepCopy()
		case isMultus(ds) || strings.Contains(ds.Name, "multus"):
			multuses[key] = object.DeepCopy()
		}
		return nil
	})
	s.sawDaemonSets = err == nil
	for _, key := range slices.Sorted(maps.Keys(primaries)) {
		s.primaries = append(s.primaries, primaries[key])
	}
	for _, key := range slices.Sorted(maps.Keys(multuses)) {
		s.multuses = append(s.multuses, multuses[key])
	}
	for _, key := range slices.Sorted(maps.Keys(cleaners)) {
		s.cleaners = append(s.cleaners, cleaners[key])
	}
	err = s.excuse(err, "list", "daemonsets.apps in all namespaces", "an installed Multus and the primary CNI")
	return s, err
}

// daemonSet returns a live DaemonSet that is or looks like Multus, nil where
// the survey saw none of that name. It is the survey's own: do not change it.
func (s survey) daemonSet(namespace, name string) *unstructured.Unstructured {
	return find(s.multuses, namespace, name)
}

// cleaner returns a live DaemonSet of the cleaner, as daemonSet does.
func (s survey) cleaner(namespace, name string) *unstructured.Unstructured {
	return find(s.cleaners, namespace, name)
}

func find(objects []*unstructured.Unstructured, namespace, name string) *unstructured.Unstructured {
	i := slices.IndexFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GetNamespace() == namespace && o.GetName() == name
	})
	if i < 0 {
		return nil
	}
	return objects[i]
}

func (s *survey) lookAtNodes(ctx context.Context, reader client.Reader) error {
	nodes := map[string]nodeFacts{}
	err := live.EachPage(ctx, reader, live.List("v1", "Node"), func(object *unstructured.Unstructured) error {
		nodes[object.GetName()] = nodeOf(object)
		return nil
	})
	s.sawNodes = err == nil
	s.nodes = slices.SortedFunc(maps.Values(nodes), func(a, b nodeFacts) int { return cmp.Compare(a.name, b.name) })
	return s.excuse(err, "list", "nodes", "Talos version, architectures, Kubernetes version and container runtime")
}

// nodeOf reads a Node by its fields: a typed conversion of thousands costs
// more than all the rest of a survey.
func nodeOf(object *unstructured.Unstructured) nodeFacts {
	info := func(field string) string {
		value, _, _ := unstructured.NestedString(object.Object, "status", "nodeInfo", field)
		return value
	}
	n := nodeFacts{
		name: object.GetName(), os: info("osImage"), arch: info("architecture"),
		kubelet: info("kubeletVersion"), runtime: info("containerRuntimeVersion"),
	}
	n.unschedulable, _, _ = unstructured.NestedBool(object.Object, "spec", "unschedulable")
	value, _, _ := unstructured.NestedFieldNoCopy(object.Object, "status", "conditions")
	conditions, _ := value.([]any)
	for _, item := range conditions {
		if condition, _ := item.(map[string]any); condition["type"] == string(corev1.NodeReady) {
			n.ready = condition["status"] == string(corev1.ConditionTrue)
		}
	}
	return n
}

// talosOf is the version in a Talos node's osImage, "Talos (v1.13.9)". It is
// empty where there is none that parses.
func talosOf(osImage string) (version string, isTalos bool) {
	name, rest, _ := strings.Cut(osImage, " (")
	if name != "Talos" {
		return "", false
	}
	rest = strings.TrimSuffix(rest, ")")
	if _, ok := semantic(rest); !ok {
		return "", true
	}
	return rest, true
}

// lookAtFlannel reads the conflist that Flannel copies to the nodes.
func (s *survey) lookAtFlannel(ctx context.Context, reader client.Reader) error {
	versions := map[string]string{} // by namespace: old manifests have a DaemonSet for each architecture
	for i, p := range s.primaries {
		if p.cni != "flannel" {
			continue
		}
		if _, known := versions[p.namespace]; !known {
			data, _, err := s.configMap(ctx, reader, p.namespace, "kube-flannel-cfg", "the cniVersion of Flannel's conflist")
			if err != nil {
				return err
			}
			versions[p.namespace] = cniVersionOf(data["cni-conf.json"])
		}
		s.primaries[i].cniVersion = versions[p.namespace]
	}
	return nil
}

// configMap gets a ConfigMap's data. One that is not there, or may not be
// read, is noted in unseen.
func (s *survey) configMap(ctx context.Context, reader client.Reader, namespace, name, tells string) (data map[string]string, found bool, err error) {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("v1")
	object.SetKind("ConfigMap")
	err = reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, object)
	if apierrors.IsNotFound(err) {
		s.unseen = append(s.unseen, multihome.Finding{
			Code: "multus/unseen", Severity: multihome.SeverityWarning, Object: "ConfigMap " + namespace + "/" + name,
			Message: "is not there, so " + tells + " is not known",
			Remedy:  "give Config.Platform if what was detected is not right",
		})
		return nil, false, nil
	}
	if err != nil {
		err = fmt.Errorf("get ConfigMap %s/%s: %w", namespace, name, err)
		return nil, false, s.excuse(err, "get", "configmap "+name+" in namespace "+namespace, tells)
	}
	data, _, _ = unstructured.NestedStringMap(object.Object, "data")
	return data, true, nil
}

// excuse turns a missing permission into a finding: the rest of the survey is
// worth having. Any other error stays one.
func (s *survey) excuse(err error, verb, what, tells string) error {
	finding, err := live.Unseen(err, "multus/unseen", verb, what, tells)
	if finding.Code != "" {
		s.unseen = append(s.unseen, finding)
	}
	return err
}

// conflistFile is a name that a conflist can have.
var conflistFile = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*\.(conf|conflist|json)$`)

// conflistName is the file name in a path to a primary CNI's conflist, "" for
// what cannot be one.
func conflistName(file string) string {
	name := path.Base(file)
	if !conflistFile.MatchString(name) || strings.HasPrefix(name, "00-multus") {
		return ""
	}
	return name
}

// cniVersionOf reads cniVersion out of a conflist, "" for what has none.
func cniVersionOf(conflist string) string {
	var conf struct {
		CNIVersion string `json:"cniVersion"`
	}
	if err := json.Unmarshal([]byte(conflist), &conf); err != nil {
		return ""
	}
	if _, ok := semantic(conf.CNIVersion); !ok {
		return ""
	}
	return conf.CNIVersion
}
