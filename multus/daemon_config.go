package multus

import (
	"encoding/json"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// mergeInto lays the keys that d sets over those of config.
func (d DaemonConfig) mergeInto(config map[string]any) error {
	if reflect.ValueOf(d).IsZero() {
		return nil // the usual case, and a tenth of a Render's time
	}
	data, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("daemon: %w", err)
	}
	if err := json.Unmarshal(data, &config); err != nil {
		return fmt.Errorf("daemon: %w", err)
	}
	return nil
}

// keysSince names the keys of daemon-config.json that not every release of
// Multus 4 acts on, with the first that does. An older daemon ignores them
// silently; readinessindicatorfile, which it reads for each request instead,
// it would look for in another root.
var keysSince = []struct {
	key, since string
	set        func(DaemonConfig) bool
}{
	{"daemonSocketDir", "v4.1.0", func(d DaemonConfig) bool { return d.DaemonSocketDir != "" }},
	{"readinessindicatorfile", "v4.1.0", func(d DaemonConfig) bool { return d.ReadinessIndicatorFile != "" }},
	{"perNodeCertificate", "v4.1.0", func(d DaemonConfig) bool { return d.PerNodeCertificate != nil }},
	{"auxiliaryCNIChainName", "v4.2.1", func(d DaemonConfig) bool { return d.AuxiliaryCNIChainName != "" }},
	{"connectionLimit", "v4.3.0", func(d DaemonConfig) bool { return d.ConnectionLimit != 0 }},
	{"enablePprof", "v4.3.0", func(d DaemonConfig) bool { return d.EnablePprof }},
}

// cniVersions are those that Multus 4 and its shim can speak.
var cniVersions = []string{"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"}

var logLevels = []string{"debug", "verbose", "error", "panic"}

// validate returns what the daemon would refuse, ignore or do harm with.
func (d DaemonConfig) validate(r release, platform Platform, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, k := range keysSince {
		if k.set(d) && !r.atLeast(k.since) {
			errs = append(errs, field.Forbidden(at.Child(k.key), fmt.Sprintf("the daemon of %s does not act on this key; it needs %s or newer", r.version, k.since)))
		}
	}
	errs = append(errs, d.validateCNI(r, platform, at)...)
	errs = append(errs, d.validateSocket(at)...)
	errs = append(errs, d.validateNetworks(at)...)
	if d.LogLevel != "" && !slices.Contains(logLevels, d.LogLevel) {
		errs = append(errs, field.NotSupported(at.Child("logLevel"), d.LogLevel, logLevels))
	}
	if d.LogOptions != nil && (d.LogOptions.MaxAge < 0 || d.LogOptions.MaxSize < 0 || d.LogOptions.MaxBackups < 0) {
		errs = append(errs, field.Invalid(at.Child("logOptions"), *d.LogOptions, "numbers must not be negative"))
	}
	if d.MetricsPort < 0 || d.MetricsPort > 65535 {
		errs = append(errs, field.Invalid(at.Child("metricsPort"), d.MetricsPort, "must be a port, 1 to 65535"))
	}
	if d.EnablePprof && d.MetricsPort == 0 {
		errs = append(errs, field.Required(at.Child("metricsPort"), "enablePprof is served on it and has no effect without"))
	}
	if d.ConnectionLimit < 0 {
		errs = append(errs, field.Invalid(at.Child("connectionLimit"), d.ConnectionLimit, "must be positive; the daemon exits otherwise"))
	}
	if c := d.PerNodeCertificate; c != nil {
		errs = append(errs, c.validate(at.Child("perNodeCertificate"))...)
	}
	return errs
}

// validateCNI looks at what decides how the primary CNI is found and called.
func (d DaemonConfig) validateCNI(r release, platform Platform, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if d.CNIVersion != "" && !slices.Contains(cniVersions, d.CNIVersion) {
		errs = append(errs, field.NotSupported(at.Child("cniVersion"), d.CNIVersion, cniVersions))
	} else if d.CNIVersion == "1.1.0" && !r.cni11() {
		errs = append(errs, field.Invalid(at.Child("cniVersion"), d.CNIVersion, "the shim of "+r.version+" does not speak it; use 1.0.0, or v4.2.0 or newer"))
	} else if speaks := platform.primarySpeaks(); versionAtLeast(d.CNIVersion, "0.4.0") && speaks != "" && !versionAtLeast(speaks, d.CNIVersion) {
		errs = append(errs, field.Invalid(at.Child("cniVersion"), d.CNIVersion, fmt.Sprintf(
			"must not be above %s, which the primary CNI's conflist says (the daemon exits when that is below 0.4.0); set platform.primaryCNIVersion if it says more", speaks)))
	}
	if d.MultusConfigFile != "" && d.MultusConfigFile != "auto" && r.atLeast("v4.1.0") {
		errs = append(errs, field.Invalid(at.Child("multusConfigFile"), d.MultusConfigFile, "must be auto since v4.1.0; with a file the daemon exits and restarts for ever (multus-cni #1366)"))
	}
	errs = append(errs, validateConflist(at.Child("multusMasterCNI"), d.MultusMasterCNI)...)
	if d.ForceCNIVersion {
		errs = append(errs, field.Forbidden(at.Child("forceCNIVersion"), "it rewrites the primary CNI's file on every node; set cniVersion to what that file says"))
	}
	for _, p := range d.paths() {
		if p.value != "" && !path.IsAbs(p.value) {
			errs = append(errs, field.Invalid(at.Child(p.key), p.value, "must be an absolute path inside the pod"))
		}
	}
	return errs
}

// daemonPath is a key of daemon-config.json that names a file or directory
// inside the pod.
type daemonPath struct{ key, value string }

func (d DaemonConfig) paths() []daemonPath {
	return []daemonPath{
		{"binDir", d.BinDir},
		{"chrootDir", d.ChrootDir},
		{"cniConfigDir", d.CNIConfigDir},
		{"cniDir", d.CNIDir},
		{"confDir", d.ConfDir},
		{"kubeconfig", d.Kubeconfig},
		{"logFile", d.LogFile},
		{"multusAutoconfigDir", d.MultusAutoconfigDir},
		{"readinessindicatorfile", d.ReadinessIndicatorFile},
	}
}

// validateSocket holds the two names of the socket's directory together. The
// daemon empties that directory at its start, so a wrong one is dangerous.
func (d DaemonConfig) validateSocket(at *field.Path) field.ErrorList {
	const ownDirectory = "must be a directory below /host/run with multus in its name: the daemon removes it with all its content when it starts"
	var errs field.ErrorList
	inPod := path.Clean(d.SocketDir)
	if d.SocketDir != "" && (!strings.HasPrefix(inPod, "/host/run/") || !strings.Contains(path.Base(inPod), "multus")) {
		return append(errs, field.Invalid(at.Child("socketDir"), d.SocketDir, ownDirectory))
	}
	if d.SocketDir == "" {
		inPod = "/host/run/multus"
	}
	onHost := path.Clean(d.DaemonSocketDir)
	if d.DaemonSocketDir == "" {
		onHost = "/run/multus"
	}
	if strings.TrimPrefix(inPod, "/host") != onHost {
		errs = append(errs, field.Invalid(at.Child("daemonSocketDir"), d.DaemonSocketDir, fmt.Sprintf(
			"the shim would look in %s and the daemon listens in %s of the host; set both to one directory", onHost, strings.TrimPrefix(inPod, "/host"))))
	}
	return errs
}

// validateNetworks looks at what names networks and namespaces.
func (d DaemonConfig) validateNetworks(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	namespace := func(at *field.Path, name string) {
		for _, problem := range validation.IsDNS1123Label(name) {
			errs = append(errs, field.Invalid(at, name, problem))
		}
	}
	for i, name := range d.SystemNamespaces {
		namespace(at.Child("systemNamespaces").Index(i), name)
	}
	if d.GlobalNamespaces != "" {
		for name := range strings.SplitSeq(d.GlobalNamespaces, ",") {
			namespace(at.Child("globalNamespaces"), strings.TrimSpace(name))
		}
	}
	if d.MultusNamespace != "" {
		namespace(at.Child("multusNamespace"), d.MultusNamespace)
	}
	for i, name := range d.DefaultNetworks {
		if strings.TrimSpace(name) == "" {
			errs = append(errs, field.Required(at.Child("defaultNetworks").Index(i), "name a NetworkAttachmentDefinition, NAME or NAMESPACE/NAME"))
		}
	}
	for i, delegate := range d.Delegates {
		if !isCNIConfig(delegate.Raw) {
			errs = append(errs, field.Invalid(at.Child("delegates").Index(i), string(delegate.Raw), "must be a CNI configuration in JSON, an object with type or plugins"))
		}
	}
	if d.AuxiliaryCNIChainName != "" && d.ClusterNetwork != "" && !path.IsAbs(d.ClusterNetwork) {
		errs = append(errs, field.Invalid(at.Child("clusterNetwork"), d.ClusterNetwork, "must be the path of a conflist when auxiliaryCNIChainName is set"))
	}
	return errs
}

func isCNIConfig(data []byte) bool {
	var config struct {
		Type    string
		Plugins []map[string]any
	}
	return json.Unmarshal(data, &config) == nil && (config.Type != "" || len(config.Plugins) > 0)
}

func (c PerNodeCertificate) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if c.Enabled && c.BootstrapKubeconfig == "" {
		errs = append(errs, field.Required(at.Child("bootstrapKubeconfig"), "the daemon exits without it"))
	}
	if c.Enabled && c.CertDir == "" {
		errs = append(errs, field.Required(at.Child("certDir"), "the daemon exits without it"))
	}
	if c.CertDuration != "" {
		if duration, err := time.ParseDuration(c.CertDuration); err != nil || duration <= 0 {
			errs = append(errs, field.Invalid(at.Child("certDuration"), c.CertDuration, "must be a positive Go duration such as 24h"))
		}
	}
	return errs
}
