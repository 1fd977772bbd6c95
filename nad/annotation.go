package nad

import (
	"fmt"
	"net"
	"reflect"
	"regexp"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// shortName is what Multus takes for a name or a namespace in the short form.
var shortName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// parseAnnotation reads the value of an annotation by the rules of Multus 4.3:
// JSON if it contains [, { or ", else the short form. It is an error where
// Multus panics ([null]) or takes a value that fails later on every node: an
// empty name, a name with a slash, a name of an interface that no kernel takes.
func parseAnnotation(text string, at *field.Path) ([]Attachment, error) {
	var all []Attachment
	var errs field.ErrorList
	if strings.ContainsAny(text, `[{"`) {
		all, errs = parseJSONForm(text, at)
	} else {
		all, errs = parseShortForm(text, at)
	}
	if len(errs) > 0 {
		return nil, join(errs)
	}
	for i := range all {
		errs = append(errs, all[i].validateAsRead(at.Index(i))...)
	}
	return all, join(errs)
}

func parseShortForm(text string, at *field.Path) ([]Attachment, field.ErrorList) {
	items := strings.Split(text, ",")
	all := make([]Attachment, 0, len(items))
	var errs field.ErrorList
	for i, item := range items {
		attachment, problem := parseShort(strings.TrimSpace(item))
		if problem != "" && len(errs) < most {
			errs = append(errs, field.Invalid(at.Index(i), item, problem))
		}
		all = append(all, attachment)
	}
	return all, errs
}

func parseShort(item string) (a Attachment, problem string) {
	namespace, name, found := strings.Cut(item, "/")
	if !found {
		namespace, name = "", item
	}
	name, iface, _ := strings.Cut(name, "@")
	a = Attachment{Name: strings.TrimSpace(name), Namespace: strings.TrimSpace(namespace), Interface: strings.TrimSpace(iface)}
	switch {
	case item == "":
		return a, "must not be empty; remove the comma that is too many"
	case strings.ContainsAny(name+iface+namespace, "/@"):
		return a, "must be name, namespace/name, name@interface or namespace/name@interface"
	}
	for _, part := range []string{a.Name, a.Namespace} {
		if part != "" && !shortName.MatchString(part) {
			return a, "must consist of lower case letters, digits and - in this form; write other names as JSON"
		}
	}
	return a, ""
}

func parseJSONForm(text string, at *field.Path) ([]Attachment, field.ErrorList) {
	text = strings.Trim(text, " \n\t\r")
	list, ok := newTree(text)
	if !ok {
		return nil, field.ErrorList{field.Invalid(at, shorten(text), fmt.Sprintf("must be a JSON array of objects, or name,namespace/name@interface: %v", whyNoTree(text)))}
	}
	if !list.isArray() {
		return nil, field.ErrorList{field.TypeInvalid(at, shorten(list.text()), "must be a JSON array, also for one network")}
	}
	d := &decoder{path: []step{{key: at.String()}}}
	all := make([]Attachment, list.count())
	i := 0
	for element := range list.inside() {
		d.pushIndex(i)
		if element.isObject() {
			d.attachment(element, &all[i])
		} else {
			d.wrongType(element, "an object; Multus panics on null")
		}
		d.pop()
		i++
	}
	return all, d.errs
}

// attachment reads an element, and the name that an interface was requested by
// before Multus 3.2.
func (d *decoder) attachment(t tree, out *Attachment) {
	const older = "interfaceRequest"
	d.object(t, reflect.ValueOf(out).Elem(), older)
	if name := d.stringOf(t, older); out.Interface == "" {
		out.Interface = name
	}
}

// formatAnnotation writes the short form if it says everything, else JSON.
func formatAnnotation(all []Attachment) (string, error) {
	short := true
	for _, a := range all {
		short = short && a.isShort()
	}
	if short {
		items := make([]string, len(all))
		for i, a := range all {
			items[i] = a.String()
		}
		return strings.Join(items, ","), nil
	}
	e := &encoder{}
	e.value(reflect.ValueOf(all))
	return e.buf.String(), e.err
}

// isShort reports whether the short form says everything and is read back as
// the same.
func (a Attachment) isShort() bool {
	rest := a
	rest.Name, rest.Namespace, rest.Interface = "", "", ""
	if !reflect.ValueOf(rest).IsZero() {
		return false
	}
	text := a.String()
	parsed, problem := parseShort(text)
	return problem == "" && reflect.DeepEqual(parsed, a) && !strings.ContainsAny(text, `[{",`)
}

// validateAsRead says what makes an element fail on every node.
func (a Attachment) validateAsRead(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if a.Name == "" {
		errs = append(errs, field.Required(at.Child("name"), "the name of a NetworkAttachmentDefinition"))
	} else {
		for _, problem := range validation.IsDNS1123Subdomain(a.Name) {
			if strings.Contains(a.Name, "/") {
				problem = "must not contain the namespace, which has a key of its own"
			}
			errs = append(errs, field.Invalid(at.Child("name"), a.Name, problem))
		}
	}
	if a.Namespace != "" {
		for _, problem := range validation.IsDNS1123Label(a.Namespace) {
			errs = append(errs, field.Invalid(at.Child("namespace"), a.Namespace, problem))
		}
	}
	if problem := interfaceProblem(a.Interface); a.Interface != "" && problem != "" {
		errs = append(errs, field.Invalid(at.Child("interface"), a.Interface, problem))
	}
	for i, ip := range a.IPs {
		if !isIPOrCIDR(ip) {
			errs = append(errs, field.Invalid(at.Child("ips").Index(i), ip, "must be an address with prefix length such as 10.0.0.5/24"))
		}
	}
	for key, value := range map[string]string{"mac": a.MAC, "infiniband-guid": a.InfinibandGUID} {
		if _, err := net.ParseMAC(value); value != "" && err != nil {
			errs = append(errs, field.Invalid(at.Child(key), value, "must be a hardware address such as 02:00:00:00:00:01"))
		}
	}
	for i, gateway := range a.DefaultRoute {
		if net.ParseIP(gateway) == nil {
			errs = append(errs, field.Invalid(at.Child("default-route").Index(i), gateway, "must be the address of a gateway"))
		}
	}
	return errs
}
