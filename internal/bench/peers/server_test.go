package peers_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/multihome/multihome/multus/multustest"
)

// resources are those that the server has, by group and version.
var resources = map[string][]metav1.APIResource{
	"v1": {
		{Name: "namespaces", Kind: "Namespace"},
		{Name: "nodes", Kind: "Node"},
		{Name: "pods", Kind: "Pod", Namespaced: true},
		{Name: "configmaps", Kind: "ConfigMap", Namespaced: true},
		{Name: "serviceaccounts", Kind: "ServiceAccount", Namespaced: true},
	},
	"apps/v1":                      {{Name: "daemonsets", Kind: "DaemonSet", Namespaced: true}},
	"apiextensions.k8s.io/v1":      {{Name: "customresourcedefinitions", Kind: "CustomResourceDefinition"}},
	"rbac.authorization.k8s.io/v1": {{Name: "clusterroles", Kind: "ClusterRole"}, {Name: "clusterrolebindings", Kind: "ClusterRoleBinding"}},
}

// A server puts HTTP before the simulated cluster of multustest, which counts
// the requests: discovery is not among them.
type server struct {
	cluster *multustest.Cluster
}

// serve returns the cluster and how to reach it.
func serve(tb testing.TB) (*multustest.Cluster, *rest.Config) {
	tb.Helper()
	cluster, err := multustest.NewCluster(multustest.Options{Nodes: []multustest.Node{{Name: "worker-1"}}, PrimaryCNI: "flannel"})
	if err != nil {
		tb.Fatal(err)
	}
	front := httptest.NewServer(server{cluster})
	tb.Cleanup(front.Close)
	return cluster, &rest.Config{Host: front.URL, QPS: -1, ContentConfig: rest.ContentConfig{ContentType: "application/json"}}
}

func (s server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := s.answer(r)
	code := http.StatusOK
	if err != nil {
		status := apierrors.APIStatus(apierrors.NewInternalError(err))
		errors.As(err, &status)
		failure := status.Status()
		answer, code = failure, int(failure.Code)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer) // the client sees that it is cut
}

func (s server) answer(r *http.Request) (any, error) {
	path := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	switch {
	case path[0] == "api" && len(path) == 1:
		return metav1.APIVersions{Versions: []string{"v1"}}, nil
	case path[0] == "apis" && len(path) == 1:
		return groups(), nil
	case path[0] == "api":
		return s.inVersion(r, "v1", path[2:])
	case path[0] == "apis" && len(path) > 2:
		return s.inVersion(r, path[1]+"/"+path[2], path[3:])
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{}, r.URL.Path)
}

func groups() metav1.APIGroupList {
	var out metav1.APIGroupList
	for groupVersion := range resources {
		if group, version, found := strings.Cut(groupVersion, "/"); found {
			v := metav1.GroupVersionForDiscovery{GroupVersion: groupVersion, Version: version}
			out.Groups = append(out.Groups, metav1.APIGroup{Name: group, Versions: []metav1.GroupVersionForDiscovery{v}, PreferredVersion: v})
		}
	}
	return out
}

// inVersion answers what is below /api/v1 or /apis/GROUP/VERSION.
func (s server) inVersion(r *http.Request, groupVersion string, path []string) (any, error) {
	if len(path) == 0 {
		return metav1.APIResourceList{GroupVersion: groupVersion, APIResources: resources[groupVersion]}, nil
	}
	namespace := ""
	if path[0] == "namespaces" && len(path) > 2 {
		namespace, path = path[1], path[2:]
	}
	for _, resource := range resources[groupVersion] {
		if resource.Name != path[0] {
			continue
		}
		object := &unstructured.Unstructured{}
		object.SetAPIVersion(groupVersion)
		object.SetKind(resource.Kind)
		object.SetNamespace(namespace)
		if len(path) == 1 && r.Method == http.MethodGet {
			return s.list(r, object)
		}
		if len(path) > 1 {
			object.SetName(path[1])
		}
		return s.object(r, object)
	}
	return nil, apierrors.NewNotFound(schema.GroupResource{Resource: path[0]}, strings.Join(path[1:], "/"))
}

func (s server) list(r *http.Request, like *unstructured.Unstructured) (any, error) {
	query := r.URL.Query()
	selector, err := labels.Parse(query.Get("labelSelector"))
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	limit, _ := strconv.ParseInt(query.Get("limit"), 10, 64) // none is 0
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(like.GetAPIVersion())
	list.SetKind(like.GetKind() + "List")
	err = s.cluster.Client().List(r.Context(), list, client.InNamespace(like.GetNamespace()), client.MatchingLabelsSelector{Selector: selector}, client.Limit(limit), client.Continue(query.Get("continue")))
	return list, err
}

func (s server) object(r *http.Request, object *unstructured.Unstructured) (any, error) {
	var c client.Client = s.cluster.Client()
	if r.URL.Query().Get("dryRun") != "" {
		c = client.NewDryRunClient(c)
	}
	if r.Method == http.MethodGet {
		return object, c.Get(r.Context(), client.ObjectKeyFromObject(object), object)
	}
	if r.Method == http.MethodDelete {
		return object, c.Delete(r.Context(), object)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	sent := &unstructured.Unstructured{}
	if err := yaml.Unmarshal(body, &sent.Object); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	sent.SetNamespace(object.GetNamespace())
	switch {
	case r.Method == http.MethodPost:
		return sent, c.Create(r.Context(), sent)
	case r.Method == http.MethodPut:
		return sent, c.Update(r.Context(), sent)
	case r.Header.Get("Content-Type") == "application/apply-patch+yaml":
		options := []client.ApplyOption{client.FieldOwner(r.URL.Query().Get("fieldManager"))}
		if r.URL.Query().Get("force") == "true" {
			options = append(options, client.ForceOwnership)
		}
		return sent, c.Apply(r.Context(), client.ApplyConfigurationFromUnstructured(sent), options...)
	}
	return nil, apierrors.NewMethodNotSupported(schema.GroupResource{Resource: object.GetKind()}, r.Method+" "+r.Header.Get("Content-Type"))
}
