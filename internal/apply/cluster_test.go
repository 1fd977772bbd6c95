package apply_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome/internal/apply"
	"github.com/multihome/multihome/internal/golden"
)

const owner = "multihome"

// cluster is an API server in memory that records the requests and can refuse
// them. The fake client cannot dry run an apply, so the cluster carries it out
// on a copy of the live object.
type cluster struct {
	client.Client
	requests []string
	fail     func(request string) error
}

func newCluster(t *testing.T, objects ...client.Object) *cluster {
	t.Helper()
	c := &cluster{}
	record := func(request string) error {
		c.requests = append(c.requests, request)
		if c.fail == nil {
			return nil
		}
		return c.fail(request)
	}
	c.Client = fakeBuilder(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, base client.WithWatch, key client.ObjectKey, obj client.Object, options ...client.GetOption) error {
			if err := record("get"); err != nil {
				return err
			}
			return base.Get(ctx, key, obj, options...)
		},
		Patch: func(ctx context.Context, base client.WithWatch, obj client.Object, patch client.Patch, options ...client.PatchOption) error {
			if err := record("patch"); err != nil {
				return err
			}
			return base.Patch(ctx, obj, patch, options...)
		},
		Apply: func(ctx context.Context, base client.WithWatch, obj runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			set := (&client.ApplyOptions{}).ApplyOptions(options)
			request := "apply"
			if set.Force != nil && *set.Force {
				request = "force " + request
			}
			if len(set.DryRun) > 0 {
				request = "dry run " + request
			}
			if err := record(request); err != nil {
				return err
			}
			if len(set.DryRun) == 0 {
				return base.Apply(ctx, obj, options...)
			}
			live := &unstructured.Unstructured{}
			desired := obj.(interface{ UnstructuredContent() map[string]any }).UnstructuredContent()
			live.SetGroupVersionKind((&unstructured.Unstructured{Object: desired}).GroupVersionKind())
			scratch := fakeBuilder()
			if err := base.Get(ctx, client.ObjectKeyFromObject(&unstructured.Unstructured{Object: desired}), live); err == nil {
				scratch.WithObjects(live)
			}
			set.DryRun = nil
			return scratch.Build().Apply(ctx, obj, set)
		},
	}).Build()
	return c
}

func fakeBuilder(objects ...client.Object) *fake.ClientBuilder {
	return fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme).WithReturnManagedFields().WithObjects(objects...)
}

func (c *cluster) applier() apply.Applier { return apply.Applier{Client: c.Client, Owner: owner} }

// read returns the state of one object.
func (c *cluster) read(t *testing.T, desired *unstructured.Unstructured) apply.State {
	t.Helper()
	states, err := c.applier().Read(t.Context(), desired)
	if err != nil {
		t.Fatal(err)
	}
	return states[0]
}

// applyAs applies an object as another manager.
func (c *cluster) applyAs(t *testing.T, manager string, object *unstructured.Unstructured) {
	t.Helper()
	if _, err := (apply.Applier{Client: c.Client, Owner: manager}).Apply(t.Context(), apply.State{Desired: object}, true); err != nil {
		t.Fatal(err)
	}
}

// updateAs changes an object as kubectl edit or a controller does.
func (c *cluster) updateAs(t *testing.T, manager string, object *unstructured.Unstructured, change func(map[string]any)) {
	t.Helper()
	live := c.read(t, object).Live
	change(live.Object)
	if err := c.Update(t.Context(), live, client.FieldOwner(manager)); err != nil {
		t.Fatal(err)
	}
}

// object reads YAML, with the same number types as the API's.
func object(t testing.TB, format string, args ...any) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON(fmt.Appendf(nil, format, args...))
	if err != nil {
		t.Fatal(err)
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return out
}

// recorded returns what is on record of one object of Multus: the manifest,
// and what a real API server made of it.
func recorded(t testing.TB, kind, section string) *unstructured.Unstructured {
	t.Helper()
	archive := golden.Archive(t, "testdata/multus.txtar")
	return object(t, "%s", golden.Section(t, archive, kind+"/"+section+".yaml"))
}

var recordedKinds = []string{"customresourcedefinition", "clusterrole", "clusterrolebinding", "serviceaccount", "configmap", "daemonset"}

// owned gives live managedFields: one entry for each manager, operation and
// fields.
func owned(live *unstructured.Unstructured, entries ...string) *unstructured.Unstructured {
	out := live.DeepCopy()
	var managed []metav1.ManagedFieldsEntry
	for entry := range slices.Chunk(entries, 3) {
		fields := &metav1.FieldsV1{}
		fields.SetRawBytes([]byte(entry[2]))
		managed = append(managed, metav1.ManagedFieldsEntry{
			Manager: entry[0], Operation: metav1.ManagedFieldsOperationType(entry[1]),
			APIVersion: live.GetAPIVersion(), FieldsType: "FieldsV1", FieldsV1: fields,
		})
	}
	out.SetManagedFields(managed)
	return out
}

const configMap = `
apiVersion: v1
kind: ConfigMap
metadata: {name: a, namespace: kube-system, labels: {app: multus}}
data: {config: new}
`
