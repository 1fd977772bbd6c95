package kubevirt

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	netattdefv1 "github.com/k8snetworkplumbingwg/network-attachment-definition-client/pkg/apis/k8s.cni.cncf.io/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	kubevirtv1 "kubevirt.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/multihome/multihome"
	"github.com/multihome/multihome/internal/live"
)

// ErrNotFound is what [Inventory] and [CheckCluster] return, wrapped, where the
// cluster does not know KubeVirt's kinds.
var ErrNotFound = errors.New("there is no KubeVirt on the cluster")

// errNoReader is a mistake of the caller.
var errNoReader = errors.New("reader is nil; give a sigs.k8s.io/controller-runtime/pkg/client")

const (
	kubevirtAPI = "kubevirt.io/v1"
	kubevirts   = "kubevirts.kubevirt.io in all namespaces"
	updateThis  = "update this library, if KubeVirt is newer"
	nads        = "network-attachment-definitions.k8s.cni.cncf.io in all namespaces"
)

// Inventory reads from a live cluster what checks have to know: KubeVirt's
// version, binding plugins, migration network and feature gates from the
// KubeVirt object, and the NADs of all namespaces. It writes nothing.
//
// Requests: one list of KubeVirt objects and one of NADs for every 500. A list
// that the API server drops half-way (410 Expired) begins again once. A
// manager's cache will not do as a reader, because it cannot list by pages.
//
// What may not be read is not known, and is in Cluster.Unseen. [CheckerRBAC] is
// what the client must be allowed. The error names the request that failed and
// wraps its cause; it wraps ErrNotFound without KubeVirt, and is ctx's when ctx
// ended.
func Inventory(ctx context.Context, reader client.Reader) (Cluster, error) {
	if reader == nil {
		return Cluster{}, errNoReader
	}
	c := Cluster{}
	if err := c.readKubeVirt(ctx, reader); err != nil {
		return Cluster{}, err
	}
	if err := c.readNADs(ctx, reader); err != nil {
		return Cluster{}, err
	}
	return c, nil
}

// excuse keeps a missing permission as a finding.
func (c *Cluster) excuse(err error, what, tells string) error {
	finding, err := live.Unseen(err, "kubevirt/unseen", "list", what, tells)
	if finding.Code != "" {
		c.Unseen = append(c.Unseen, finding)
	}
	return err
}

func (c *Cluster) unseen(object, message, remedy string) {
	c.Unseen = append(c.Unseen, unseen(object, message, remedy))
}

func unseen(object, message, remedy string) multihome.Finding {
	return multihome.Finding{
		Code: "kubevirt/unseen", Severity: multihome.SeverityWarning, Object: object, Message: message, Remedy: remedy,
	}
}

func (c *Cluster) readKubeVirt(ctx context.Context, reader client.Reader) error {
	const tells = "KubeVirt's version, binding plugins, migration network and feature gates"
	found := make(map[string]*unstructured.Unstructured)
	err := live.EachPage(ctx, reader, live.List(kubevirtAPI, "KubeVirt"), func(object *unstructured.Unstructured) error {
		found[object.GetNamespace()+"/"+object.GetName()] = object.DeepCopy()
		return nil
	})
	if meta.IsNoMatchError(err) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	before := len(c.Unseen)
	if err := c.excuse(err, kubevirts, tells); err != nil || len(c.Unseen) > before {
		return err
	}
	if len(found) == 0 {
		c.unseen("", "there is no KubeVirt object, so nothing is known of: "+tells, "create one, or look at another cluster")
		return nil
	}
	names := slices.Sorted(maps.Keys(found))
	if len(names) > 1 { // KubeVirt refuses a second one
		c.unseen("KubeVirt "+names[1], "there is more than one KubeVirt object, of which only "+names[0]+" is looked at", "delete the others")
	}
	c.configured(found[names[0]])
	return nil
}

// configuration is what is read of a KubeVirt object.
type configuration struct {
	Spec struct {
		Configuration struct {
			Developer struct {
				FeatureGates         []string `json:"featureGates"`
				DisabledFeatureGates []string `json:"disabledFeatureGates"`
			} `json:"developerConfiguration"`
			Migrations struct {
				Network string `json:"network"`
			} `json:"migrations"`
			Network struct {
				Binding map[string]kubevirtv1.InterfaceBindingPlugin `json:"binding"`
			} `json:"network"`
		} `json:"configuration"`
	} `json:"spec"`
	Status struct {
		Observed string `json:"observedKubeVirtVersion"`
		Target   string `json:"targetKubeVirtVersion"`
	} `json:"status"`
}

func (c *Cluster) configured(object *unstructured.Unstructured) {
	var read configuration
	if err := convert(object.Object, &read); err != nil {
		c.unseen(objectName("KubeVirt", object.GetNamespace(), object.GetName()), "cannot be read: "+err.Error(), updateThis)
		return
	}
	settings := read.Spec.Configuration
	c.Version = cmp.Or(read.Status.Observed, read.Status.Target)
	c.Bindings = settings.Network.Binding
	if c.Bindings == nil {
		c.Bindings = make(map[string]kubevirtv1.InterfaceBindingPlugin)
	}
	if name := settings.Migrations.Network; name != "" {
		c.MigrationNetworks = []string{nameOf(nadKey(object.GetNamespace(), name))}
	}
	const gate = "ExternalNetResourceInjection"
	c.ExternalResourceInjection = slices.Contains(settings.Developer.FeatureGates, gate) && !slices.Contains(settings.Developer.DisabledFeatureGates, gate)
}

func (c *Cluster) readNADs(ctx context.Context, reader client.Reader) error {
	networks := make(map[types.NamespacedName]*network)
	err := live.EachPage(ctx, reader, live.List("k8s.cni.cncf.io/v1", "NetworkAttachmentDefinition"), func(object *unstructured.Unstructured) error {
		config, _, _ := unstructured.NestedString(object.Object, "spec", "config")
		key := types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}
		networks[key] = read(&netattdefv1.NetworkAttachmentDefinition{
			ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Annotations: object.GetAnnotations()},
			Spec:       netattdefv1.NetworkAttachmentDefinitionSpec{Config: config},
		})
		return nil
	})
	if meta.IsNoMatchError(err) {
		err = nil // without Multus there are none
	}
	before := len(c.Unseen)
	if err := c.excuse(err, nads, "whether the networks of VMs exist, and of which kind they are"); err != nil || len(c.Unseen) > before {
		return err
	}
	c.networks = networks
	return nil
}

// convert reads a part of an object into its type. The error names the field
// and not our types.
func convert(from, into any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	err = json.Unmarshal(text, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("%s must not be a %s", wrong.Field, wrong.Value)
	}
	return err
}
