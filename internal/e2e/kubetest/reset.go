package kubetest

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
)

// Reset deletes every object that was not there when the server was started, custom resource definitions and
// nodes included, without grace, and returns when they are gone: half a second instead of the five of a new
// server, unless there are thousands. Changes of the objects that were there are not undone.
//
// What is there again under its name after it was deleted belongs to the control plane, such as each
// namespace's default service account, and stays.
func (s *Server) Reset(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout())
	defer cancel()
	c, err := s.newCleaner()
	if err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	for deleted := (inventory{}); ; {
		left, err := c.inventory(ctx)
		if err != nil {
			return fmt.Errorf("reset: %w", err)
		}
		for o, uid := range left {
			if before, again := deleted[o]; again && before != uid {
				s.initial[o] = uid
			}
			if _, initial := s.initial[o]; initial {
				delete(left, o)
			}
		}
		if len(left) == 0 {
			return nil
		}
		if err := c.delete(ctx, left); err != nil {
			return fmt.Errorf("reset: %w (of %d objects left)", err, len(left))
		}
		maps.Copy(deleted, left)
		time.Sleep(20 * time.Millisecond)
	}
}

// object is the place of an object in the API.
type object struct {
	resource        schema.GroupVersionResource
	namespace, name string
}

func (o object) String() string { return o.resource.Resource + " " + o.namespace + "/" + o.name }

func (o object) isNamespace() bool {
	return o.resource == corev1.SchemeGroupVersion.WithResource("namespaces")
}

// inventory is all objects of an API server.
type inventory map[object]types.UID

// in reports whether there is an object in a namespace.
func (i inventory) in(namespace string) bool {
	for o := range i {
		if o.namespace == namespace {
			return true
		}
	}
	return false
}

type cleaner struct {
	kubernetes kubernetes.Interface
	metadata   metadata.Interface
}

func (s *Server) newCleaner() (*cleaner, error) {
	config := s.Config()
	config.WarningHandlerWithContext = rest.NoWarnings{} // it lists deprecated APIs too
	k, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	m, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &cleaner{k, m}, nil
}

func (c *cleaner) inventory(ctx context.Context) (inventory, error) {
	lists, err := discovery.ServerPreferredResources(c.kubernetes.Discovery())
	if err != nil && !discovery.IsGroupDiscoveryFailedError(err) { // the group of a definition that is going
		return nil, err
	}
	all := inventory{}
	can := discovery.SupportsAllVerbs{Verbs: []string{"list", "delete"}}
	resources, err := discovery.GroupVersionResources(discovery.FilteredBy(can, lists))
	if err != nil {
		return nil, err
	}
	for resource := range resources {
		objects, err := c.metadata.Resource(resource).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) || apierrors.IsMethodNotSupported(err) { // its definition has just gone
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", resource.Resource, err)
		}
		for _, o := range objects.Items {
			all[object{resource, o.Namespace, o.Name}] = o.UID
		}
	}
	return all, nil
}

// delete deletes namespaces first, so that controllers put nothing new into them.
func (c *cleaner) delete(ctx context.Context, objects inventory) error {
	var namespaces, others []object
	for o := range objects {
		if o.isNamespace() {
			namespaces = append(namespaces, o)
		} else {
			others = append(others, o)
		}
	}
	if err := forEach(ctx, namespaces, c.deleteObject); err != nil {
		return err
	}
	if err := forEach(ctx, others, c.deleteObject); err != nil {
		return err
	}
	return forEach(ctx, namespaces, func(ctx context.Context, o object) error {
		if objects.in(o.name) {
			return nil // next time
		}
		return c.finalize(ctx, o.name)
	})
}

func (c *cleaner) deleteObject(ctx context.Context, o object) error {
	err := c.metadata.Resource(o.resource).Namespace(o.namespace).Delete(ctx, o.name, metav1.DeleteOptions{
		GracePeriodSeconds: new(int64(0)),
		PropagationPolicy:  new(metav1.DeletePropagationBackground),
	})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) { // conflict: is being deleted
		return fmt.Errorf("delete %s: %w", o, err)
	}
	return nil
}

// finalize does what the namespace controller, where one runs, does after a delay of 5 s.
func (c *cleaner) finalize(ctx context.Context, name string) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}} // no finalizers
	_, err := c.kubernetes.CoreV1().Namespaces().Finalize(ctx, namespace, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("finalize namespace %s: %w", name, err)
	}
	return nil
}
