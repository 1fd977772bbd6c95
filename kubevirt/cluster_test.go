package kubevirt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// A cluster is a reader of objects as the API server lists them: by kind and
// namespace, sorted, by pages. All else of a client it does not have.
type cluster struct {
	client.Reader
	objects   map[string][]unstructured.Unstructured // by kind
	forbidden string                                 // resource of which no list is allowed
	missing   string                                 // kind that the cluster does not know
	fail      func(n int, request string) error      // before each request
	requests  []string
}

// clusterOf returns a cluster with the objects of a YAML stream.
func clusterOf(tb testing.TB, stream string) *cluster {
	tb.Helper()
	c, err := parseCluster(stream)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func parseCluster(stream string) (*cluster, error) {
	c := &cluster{objects: make(map[string][]unstructured.Unstructured)}
	for document := range strings.SplitSeq(stream, "---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			return nil, fmt.Errorf("%w in\n%s", err, document)
		}
		if u := (unstructured.Unstructured{Object: object}); object != nil {
			c.objects[u.GetKind()] = append(c.objects[u.GetKind()], u)
		}
	}
	return c, nil
}

func (c *cluster) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	o := (&client.ListOptions{}).ApplyOptions(options)
	out := list.(*unstructured.UnstructuredList)
	kind := strings.TrimSuffix(out.GetKind(), "List")
	request := strings.TrimSpace(kind + " " + o.Namespace + " " + o.Continue)
	c.requests = append(c.requests, request)
	gvk := out.GroupVersionKind()
	if err := ctx.Err(); err != nil {
		return err
	}
	if c.fail != nil {
		if err := c.fail(len(c.requests)-1, request); err != nil {
			return err
		}
	}
	resource := map[string]string{
		"KubeVirt": "kubevirts", "VirtualMachine": "virtualmachines", "VirtualMachineInstance": "virtualmachineinstances",
		"NetworkAttachmentDefinition": "network-attachment-definitions",
	}[kind]
	switch {
	case c.missing == kind:
		return &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: gvk.Group, Kind: kind}, SearchedVersions: []string{gvk.Version}}
	case c.forbidden == resource:
		return apierrors.NewForbidden(schema.GroupResource{Group: gvk.Group, Resource: resource}, "", fmt.Errorf("not allowed"))
	case o.Limit != 500:
		return fmt.Errorf("a page of %d", o.Limit)
	}
	var all []unstructured.Unstructured
	for _, object := range c.objects[kind] {
		if o.Namespace == "" || o.Namespace == object.GetNamespace() {
			all = append(all, object)
		}
	}
	slices.SortFunc(all, func(a, b unstructured.Unstructured) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	first, _ := strconv.Atoi(o.Continue)
	last := min(len(all), first+int(o.Limit))
	out.Items = all[first:last]
	if last < len(all) {
		out.SetContinue(strconv.Itoa(last))
	}
	return nil
}

// decode returns a VM with a spec of any shape that JSON has.
func decode(spec []byte) ([]unstructured.Unstructured, bool) {
	var value any
	if json.Unmarshal(spec, &value) != nil {
		return nil, false
	}
	return []unstructured.Unstructured{{Object: map[string]any{
		"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "metadata": map[string]any{"namespace": "vms", "name": "fuzz"}, "spec": value,
	}}}, true
}
