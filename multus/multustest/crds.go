package multustest

import (
	"slices"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var nadKind = netattdefv1.SchemeGroupVersion.WithKind("NetworkAttachmentDefinition").GroupKind()

// HoldCRDs keeps CustomResourceDefinitions that are applied from now on from
// being established, until [Cluster.EstablishCRDs]. Their kinds do not exist
// meanwhile.
func (c *Cluster) HoldCRDs() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = true
}

// EstablishCRDs ends [Cluster.HoldCRDs]: every CustomResourceDefinition is
// established.
func (c *Cluster) EstablishCRDs() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
	c.store.touched[crdGVR] = true
	c.reconcile()
}

// establish does for new CRDs what the API server's controllers do.
func (c *Cluster) establish() {
	if c.held {
		return
	}
	for _, object := range c.store.list(crdGVR, "") {
		crd, ok := object.(*apiextensionsv1.CustomResourceDefinition)
		if !ok || established(crd) {
			continue
		}
		crd = crd.DeepCopy()
		crd.Status.AcceptedNames = crd.Spec.Names
		for _, v := range crd.Spec.Versions {
			if v.Storage && !slices.Contains(crd.Status.StoredVersions, v.Name) {
				crd.Status.StoredVersions = append(crd.Status.StoredVersions, v.Name)
			}
		}
		crd.Status.Conditions = []apiextensionsv1.CustomResourceDefinitionCondition{
			{
				Type: apiextensionsv1.NamesAccepted, Status: apiextensionsv1.ConditionTrue, LastTransitionTime: now(),
				Reason: "NoConflicts", Message: "no conflicts found",
			},
			{
				Type: apiextensionsv1.Established, Status: apiextensionsv1.ConditionTrue, LastTransitionTime: now(),
				Reason: "InitialNamesAccepted", Message: "the initial names have been accepted",
			},
		}
		c.store.put(crdGVR, crd)
	}
}

func established(crd *apiextensionsv1.CustomResourceDefinition) bool {
	return slices.ContainsFunc(crd.Status.Conditions, func(condition apiextensionsv1.CustomResourceDefinitionCondition) bool {
		return condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue
	})
}

// definition returns the CRD of a kind, or nil.
func (c *Cluster) definition(kind schema.GroupKind) *apiextensionsv1.CustomResourceDefinition {
	for _, object := range c.store.objects[crdGVR] {
		crd, ok := object.(*apiextensionsv1.CustomResourceDefinition)
		if ok && crd.Spec.Group == kind.Group && crd.Spec.Names.Kind == kind.Kind {
			return crd
		}
	}
	return nil
}

// definedMappings maps a kind that only a CRD knows.
func (c *Cluster) definedMappings(kind schema.GroupKind, versions []string) []*meta.RESTMapping {
	crd := c.definition(kind)
	if crd == nil {
		return nil
	}
	scope := meta.RESTScope(meta.RESTScopeNamespace)
	if crd.Spec.Scope == apiextensionsv1.ClusterScoped {
		scope = meta.RESTScopeRoot
	}
	var out []*meta.RESTMapping
	for _, v := range crd.Spec.Versions {
		if len(versions) == 0 || slices.Contains(versions, v.Name) {
			gvr := schema.GroupVersionResource{Group: kind.Group, Version: v.Name, Resource: crd.Spec.Names.Plural}
			out = append(out, &meta.RESTMapping{Resource: gvr, GroupVersionKind: kind.WithVersion(v.Name), Scope: scope})
		}
	}
	return out
}
