package cilium

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// FieldManager is the field manager of all that [Repair] writes.
	FieldManager = "multihome-cilium"
	// RestartAnnotation is on the pod templates that [Repair] had started
	// again. It names the change for which: since when Cilium is no longer
	// exclusive, in RFC 3339, and the value of ChangeAnnotation.
	RestartAnnotation = "multihome.github.io/cilium-not-exclusive-since"
	// ChangeAnnotation is on the objects in which [Repair] changed the value:
	// the resourceVersion that it changed, so that no two changes look alike.
	ChangeAnnotation = "multihome.github.io/cilium-changed"
)

// RepairOptions are those of one call of [Repair]. The zero value changes
// nothing that somebody else owns, and restarts the Multus that it finds.
type RepairOptions struct {
	// TakeOver changes objects also that Helm, Argo CD, Flux or another program
	// owns. The change lasts until that program writes the next time.
	TakeOver bool
	// Multus are the DaemonSets to restart. Empty: all with the label
	// app=multus, which upstream's manifest has.
	Multus []client.ObjectKey
	// Recreate makes the pods anew that lack their networks, and says how many:
	// Audit of package multus with its option Recreate. It is called last. Nil:
	// that is left to the caller, and the last Step says so.
	Recreate func(context.Context) (pods int, err error)
	// Progress is called for each Step, and while a restart is waited for; nil
	// for nobody. It must not keep long.
	Progress func(Step)
}

// StepType is what a Step of a repair is about. The order of the constants is
// that of the steps.
type StepType string

const (
	// StepValue is about an object that says that Cilium is exclusive.
	StepValue StepType = "value"
	// StepAgents is about Cilium's agents, which read the value at their start.
	StepAgents StepType = "agents"
	// StepMultus is about Multus, which writes its configuration at its start.
	StepMultus StepType = "multus"
	// StepPods is about the pods that have lost their networks.
	StepPods StepType = "pods"
)

// StepState is how far a Step is.
type StepState string

const (
	// StateChanged means that something was written.
	StateChanged StepState = "changed"
	// StateKept means that all was as it should be.
	StateKept StepState = "kept"
	// StateWaiting means that a restart is under way. Such a Step is only
	// reported.
	StateWaiting StepState = "waiting"
	// StateLeft means that it is left to the caller.
	StateLeft StepState = "left"
)

// Step is one step of a repair.
type Step struct {
	// Type is what it is about.
	Type StepType `json:"type"`
	// State is how far it is.
	State StepState `json:"state"`
	// Object is what was looked at: "DaemonSet kube-system/cilium". Empty where
	// it is no single one.
	Object string `json:"object,omitempty"`
	// Message says what was done, or is to be done, in one sentence.
	Message string `json:"message"`
}

// String returns the step on one line: "agents changed: DaemonSet
// kube-system/cilium: message".
func (s Step) String() string {
	out := string(s.Type) + " " + string(s.State) + ": "
	if s.Object != "" {
		out += s.Object + ": "
	}
	return out + s.Message
}

// Repair ends Cilium's exclusive mode on a live cluster: it sets cni-exclusive
// to false where it is true, in cilium-config and in CiliumNodeConfigs; has the
// agents started again and waits for them; has Multus started again, which does
// not notice otherwise that its configuration is gone, and waits for it. Pods
// that started meanwhile stay without their networks: which, is for Audit of
// package multus to say, and with its option Recreate to mend. The last Step
// says so.
//
// Nothing is remembered between calls but on the objects. A call that was cut
// off is finished by the next one, and one that was not restarts nothing more.
// Where the value was right already, pods are restarted that are older than the
// last change of whoever set it; so call Repair when [Config.Findings] or an
// Audit says that something is wrong, for it can restart once more than needed.
//
// [OwnedError] is returned, and nothing changed, where the value is Helm's or
// another program's: set it there, and call Repair for the rest. [ErrNotFound]
// is returned where there is no Cilium. Every other error names the object and
// wraps its cause. A restart that does not come to its end, because a node is
// down for example, is waited for until ctx ends. The steps are those until the
// error, in order.
//
// Requests: those of [Read] and a list of DaemonSets, a write for each object
// that changes, lists of pods, and one read a second while a restart is waited
// for. [RepairRBAC] is what the client must be allowed.
func Repair(ctx context.Context, c client.Client, options RepairOptions) ([]Step, error) {
	if c == nil {
		return nil, errors.New("client is nil; make one with sigs.k8s.io/controller-runtime/pkg/client")
	}
	r := &repair{detection: detection{reader: c, strict: true}, client: c, options: options}
	for _, step := range []func(context.Context) error{r.agents, r.settings, r.value, r.restartAgents, r.restartMultus} {
		if err := step(ctx); err != nil {
			return r.steps, err
		}
	}
	err := r.recreate(ctx)
	return r.steps, err
}

// recreate has the pods made anew that the restarts came too late for.
func (r *repair) recreate(ctx context.Context) error {
	step := Step{
		Type: StepPods, State: StateLeft,
		Message: "pods that started meanwhile stay without their networks; Audit of package multus names them, and recreates them with its option Recreate",
	}
	if r.options.Recreate != nil {
		n, err := r.options.Recreate(ctx)
		if err != nil {
			return fmt.Errorf("recreate pods: %w", err)
		}
		step.State, step.Message = StateKept, "none lacks its networks and can be made anew"
		if n > 0 {
			step.State, step.Message = StateChanged, fmt.Sprintf("%d made anew", n)
		}
	}
	r.report(step)
	return nil
}

// repair is one Repair under way.
type repair struct {
	detection
	client  client.Client
	options RepairOptions
	steps   []Step
	// since is when the last object stopped to say that Cilium is exclusive.
	since time.Time
	// untracked are the ChangeAnnotations of objects without managedFields for
	// the value, of which nothing else tells that it was changed.
	untracked string
	// before is when the last agent was made, once they are restarted.
	before time.Time
}

func (r *repair) report(s Step) {
	if s.State != StateWaiting {
		r.steps = append(r.steps, s)
	}
	if r.options.Progress != nil {
		r.options.Progress(s)
	}
}

// setting is an object that holds the value, and where.
type setting struct {
	object *unstructured.Unstructured
	path   []string
	value  string
}

func (s setting) exclusive() bool {
	is, err := strconv.ParseBool(s.value)
	return err == nil && is
}

func (s setting) name() string {
	return s.object.GetKind() + " " + s.object.GetNamespace() + "/" + s.object.GetName()
}

// value sets the value where it is wrong.
func (r *repair) value(ctx context.Context) error {
	if !r.config.Known {
		return fmt.Errorf("%s has no settings that could be changed: %s", r.config.Namespace, r.config.Unseen[len(r.config.Unseen)-1])
	}
	const key = "cni-exclusive"
	settings := []setting{{r.configMap, []string{"data"}, r.data[key]}}
	for _, o := range r.overrides {
		if value, ok := o.defaults[key]; ok {
			settings = append(settings, setting{o.object, []string{"spec", "defaults"}, value})
		}
	}
	owned := &OwnedError{Owners: map[string][]string{}}
	for _, s := range settings {
		if owners := ownersOf(s.object); s.exclusive() && len(owners) > 0 {
			owned.Owners[s.name()] = owners
		}
	}
	if len(owned.Owners) > 0 && !r.options.TakeOver {
		return owned
	}
	for _, s := range settings {
		step := Step{Type: StepValue, State: StateKept, Object: s.name(), Message: key + " is not true"}
		if s.exclusive() {
			content := nested("false", append(slices.Clone(s.path), key)...)
			content["metadata"] = nested(s.object.GetResourceVersion(), "annotations", ChangeAnnotation)
			if err := r.patch(ctx, s.object, content); err != nil {
				return err
			}
			step.State, step.Message = StateChanged, key+" set to false"
		}
		changed, tracked := changedAt(s.object, append(slices.Clone(s.path), key))
		if changed.After(r.since) {
			r.since = changed
		}
		if mark := s.object.GetAnnotations()[ChangeAnnotation]; mark != "" && !tracked {
			r.untracked += "#" + mark
		}
		r.report(step)
	}
	return nil
}

// nested is a value below keys.
func nested(value string, keys ...string) map[string]any {
	out := map[string]any{keys[len(keys)-1]: value}
	for _, key := range slices.Backward(keys[:len(keys)-1]) {
		out = map[string]any{key: out}
	}
	return out
}

// patch merges content into a live object, and brings object up to date.
func (r *repair) patch(ctx context.Context, object *unstructured.Unstructured, content map[string]any) error {
	data, err := json.Marshal(content)
	if err != nil {
		return err // texts and maps of them are no problem for JSON
	}
	name := setting{object: object}.name()
	if err := r.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, data), client.FieldOwner(FieldManager)); err != nil {
		return fmt.Errorf("patch %s: %w", name, err)
	}
	return nil
}

// changedAt is when the field at path was last changed, as far as
// managedFields tell: the last write of a manager that owns it. Where they do
// not, it is the object's creation.
func changedAt(object *unstructured.Unstructured, path []string) (last time.Time, tracked bool) {
	last = object.GetCreationTimestamp().Time
	for _, entry := range object.GetManagedFields() {
		fields := map[string]any{}
		if entry.FieldsV1 == nil || entry.Time == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		keys := make([]string, len(path))
		for i, key := range path {
			keys[i] = "f:" + key
		}
		if _, owns, _ := unstructured.NestedFieldNoCopy(fields, keys...); owns {
			tracked = true
			if entry.Time.After(last) {
				last = entry.Time.Time
			}
		}
	}
	return last, tracked
}
