package multus

import (
	"embed"
	"encoding/json"
	"fmt"
	"maps"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/multihome/multihome/internal/manifest"
)

//go:generate go run ../internal/cmd/genmanifests

// manifestFiles are upstream's thick manifests in canonical YAML, written by
// the generator alone. manifests.lock says where each comes from.
//
//go:embed manifests/*.yaml
var manifestFiles embed.FS

// upstreamManifest is one embedded file. It is shared by all renderings and
// never changed.
type upstreamManifest struct {
	bundle *Bundle
	// daemon is the daemon-config.json in it; upstream's has no nested values.
	daemon map[string]any
}

// upstreamManifests parses each file once, when first asked for.
var upstreamManifests = func() map[string]func() (upstreamManifest, error) {
	out := map[string]func() (upstreamManifest, error){}
	for _, r := range releases {
		if out[r.manifest] == nil {
			out[r.manifest] = sync.OnceValues(func() (upstreamManifest, error) { return parseManifest(r.manifest) })
		}
	}
	return out
}()

// newBuild starts from the release's manifest as upstream ships it.
func newBuild(config Config) (*build, error) {
	r, _ := findRelease(config.Version)
	if config.Namespace == "" {
		config.Namespace = DefaultNamespace
	}
	upstream, err := upstreamManifests[r.manifest]()
	if err != nil {
		return nil, fmt.Errorf("embedded manifest %s: %w", r.manifest, err)
	}
	b := &build{config: config, release: r, upstream: upstream, bundle: upstream.bundle.deepCopy(), daemon: maps.Clone(upstream.daemon)}
	b.bundle.Version = r.version
	return b, nil
}

// parseManifest reads an embedded file. Each object that a Bundle holds must be
// there exactly once and nothing else.
func parseManifest(file string) (upstreamManifest, error) {
	var parsed upstreamManifest
	data, err := manifestFiles.ReadFile("manifests/" + file)
	if err != nil {
		return parsed, err
	}
	objects, err := manifest.Parse(data)
	if err != nil {
		return parsed, err
	}
	b := &Bundle{
		CRD:                &unstructured.Unstructured{},
		ClusterRole:        &rbacv1.ClusterRole{},
		ClusterRoleBinding: &rbacv1.ClusterRoleBinding{},
		ServiceAccount:     &corev1.ServiceAccount{},
		ConfigMap:          &corev1.ConfigMap{},
		DaemonSets:         []*appsv1.DaemonSet{{}},
	}
	targets := map[string]any{
		"CustomResourceDefinition": b.CRD,
		"ClusterRole":              b.ClusterRole,
		"ClusterRoleBinding":       b.ClusterRoleBinding,
		"ServiceAccount":           b.ServiceAccount,
		"ConfigMap":                b.ConfigMap,
		"DaemonSet":                b.DaemonSets[0],
	}
	for _, object := range objects {
		if err := fill(targets, object); err != nil {
			return parsed, err
		}
	}
	for kind := range targets {
		return parsed, fmt.Errorf("no %s in it", kind)
	}
	parsed.bundle = b
	if err := json.Unmarshal([]byte(b.ConfigMap.Data[daemonConfigKey]), &parsed.daemon); err != nil {
		return parsed, fmt.Errorf("ConfigMap %s data[%s]: %w", b.ConfigMap.Name, daemonConfigKey, err)
	}
	return parsed, nil
}

// fill decodes object strictly into the target of its kind and takes that
// target off the list.
func fill(targets map[string]any, object *unstructured.Unstructured) error {
	target, ok := targets[object.GetKind()]
	if !ok {
		return fmt.Errorf("unexpected or second %s %s", object.GetKind(), object.GetName())
	}
	delete(targets, object.GetKind())
	if typeless, ok := target.(*unstructured.Unstructured); ok {
		typeless.Object = object.Object
		return nil
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, target, true); err != nil {
		return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}
