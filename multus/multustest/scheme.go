package multustest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

var crdGVR = apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions")

// newScheme returns a scheme with the kinds of client-go, CRDs, NADs and more.
// The caller's scheme is read only: several clusters may share it.
func newScheme(more *runtime.Scheme) (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	err := errors.Join(clientgoscheme.AddToScheme(s), apiextensionsv1.AddToScheme(s), netattdefv1.AddToScheme(s))
	if err != nil || more == nil {
		return s, err
	}
	for gvk, kind := range more.AllKnownTypes() {
		object, ok := reflect.TypeAssert[runtime.Object](reflect.New(kind))
		if ok && !s.Recognizes(gvk) && gvk.Version != runtime.APIVersionInternal {
			s.AddKnownTypeWithName(gvk, object)
		}
	}
	return s, nil
}

// clusterKinds are Kubernetes' kinds that live in no namespace.
var clusterKinds = []schema.GroupKind{
	{Kind: "ComponentStatus"},
	{Kind: "Namespace"},
	{Kind: "Node"},
	{Kind: "PersistentVolume"},
	{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicy"},
	{Group: "admissionregistration.k8s.io", Kind: "MutatingAdmissionPolicyBinding"},
	{Group: "admissionregistration.k8s.io", Kind: "MutatingWebhookConfiguration"},
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicy"},
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingAdmissionPolicyBinding"},
	{Group: "admissionregistration.k8s.io", Kind: "ValidatingWebhookConfiguration"},
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"},
	{Group: "authentication.k8s.io", Kind: "SelfSubjectReview"},
	{Group: "authentication.k8s.io", Kind: "TokenReview"},
	{Group: "authorization.k8s.io", Kind: "SelfSubjectAccessReview"},
	{Group: "authorization.k8s.io", Kind: "SelfSubjectRulesReview"},
	{Group: "authorization.k8s.io", Kind: "SubjectAccessReview"},
	{Group: "certificates.k8s.io", Kind: "CertificateSigningRequest"},
	{Group: "certificates.k8s.io", Kind: "ClusterTrustBundle"},
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "FlowSchema"},
	{Group: "flowcontrol.apiserver.k8s.io", Kind: "PriorityLevelConfiguration"},
	{Group: "networking.k8s.io", Kind: "IPAddress"},
	{Group: "networking.k8s.io", Kind: "IngressClass"},
	{Group: "networking.k8s.io", Kind: "ServiceCIDR"},
	{Group: "node.k8s.io", Kind: "RuntimeClass"},
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRole"},
	{Group: "rbac.authorization.k8s.io", Kind: "ClusterRoleBinding"},
	{Group: "resource.k8s.io", Kind: "DeviceClass"},
	{Group: "resource.k8s.io", Kind: "ResourceSlice"},
	{Group: "scheduling.k8s.io", Kind: "PriorityClass"},
	{Group: "storage.k8s.io", Kind: "CSIDriver"},
	{Group: "storage.k8s.io", Kind: "CSINode"},
	{Group: "storage.k8s.io", Kind: "StorageClass"},
	{Group: "storage.k8s.io", Kind: "VolumeAttachment"},
	{Group: "storage.k8s.io", Kind: "VolumeAttributesClass"},
}

// resource is how a kind is served.
type resource struct {
	gvk        schema.GroupVersionKind
	name       string // plural: "network-attachment-definitions"
	namespaced bool
}

// gvr is the key of the store, which is the one that the fake client derives.
// It differs from the real resource where the plural is unusual.
func (r resource) gvr() schema.GroupVersionResource {
	gvr, _ := meta.UnsafeGuessKindToResource(r.gvk)
	return gvr
}

func (r resource) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.gvk.Group, Resource: r.name}
}

// resourceOf describes a kind, whether it is served or not.
func (c *Cluster) resourceOf(gvk schema.GroupVersionKind) resource {
	if crd := c.definition(gvk.GroupKind()); crd != nil {
		return resource{gvk, crd.Spec.Names.Plural, crd.Spec.Scope == apiextensionsv1.NamespaceScoped}
	}
	gvr, _ := meta.UnsafeGuessKindToResource(gvk)
	out := resource{gvk, gvr.Resource, !slices.Contains(clusterKinds, gvk.GroupKind())}
	if gvk.GroupKind() == nadKind {
		out.name = "network-attachment-definitions"
	}
	return out
}

// serves reports whether requests for a kind are answered. Until a CRD is
// established its kind does not exist.
func (c *Cluster) serves(gvk schema.GroupVersionKind) bool {
	if c.without[gvk.GroupKind()] || c.builtIn[gvk.GroupVersion()] && c.scheme.Recognizes(gvk) {
		return true
	}
	crd := c.definition(gvk.GroupKind())
	return crd != nil && established(crd) &&
		slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
			return v.Name == gvk.Version && v.Served
		})
}

// noMatch is the error of a client whose discovery finds no such kind.
func noMatch(gvk schema.GroupVersionKind) error {
	return &meta.NoKindMatchError{GroupKind: gvk.GroupKind(), SearchedVersions: []string{gvk.Version}}
}

// mapper is the RESTMapper of the client.
type mapper struct {
	meta.RESTMapper // every kind of the scheme
	cluster         *Cluster
}

// newMapper maps every kind of the scheme, with its real resource name.
func newMapper(c *Cluster) *mapper {
	kinds := meta.NewDefaultRESTMapper(c.scheme.PrioritizedVersionsAllGroups())
	for gvk := range c.scheme.AllKnownTypes() {
		if gvk.Version == runtime.APIVersionInternal || strings.HasSuffix(gvk.Kind, "List") || strings.HasSuffix(gvk.Kind, "Options") {
			continue
		}
		r, scope := c.resourceOf(gvk), meta.RESTScope(meta.RESTScopeRoot)
		if r.namespaced {
			scope = meta.RESTScopeNamespace
		}
		gv := gvk.GroupVersion()
		kinds.AddSpecific(gvk, gv.WithResource(r.name), gv.WithResource(strings.ToLower(gvk.Kind)), scope)
	}
	return &mapper{kinds, c}
}

// RESTMapping is how clients find out whether a kind exists.
func (m *mapper) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	mappings, err := m.RESTMappings(kind, versions...)
	if err != nil {
		return nil, err
	}
	return mappings[0], nil
}

// RESTMappings returns the served versions of a kind.
func (m *mapper) RESTMappings(kind schema.GroupKind, versions ...string) ([]*meta.RESTMapping, error) {
	m.cluster.mu.Lock()
	defer m.cluster.mu.Unlock()
	known, err := m.RESTMapper.RESTMappings(kind, versions...)
	if meta.IsNoMatchError(err) {
		known = m.cluster.definedMappings(kind, versions)
	} else if err != nil {
		return nil, fmt.Errorf("map kind %s: %w", kind, err)
	}
	served := slices.DeleteFunc(known, func(r *meta.RESTMapping) bool { return !m.cluster.serves(r.GroupVersionKind) })
	if len(served) == 0 {
		return nil, &meta.NoKindMatchError{GroupKind: kind, SearchedVersions: versions}
	}
	return served, nil
}
