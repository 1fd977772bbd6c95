package multus

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// DefaultNamespace is where a zero [Config] installs Multus. Upstream uses it
// too, and Talos exempts it from Pod Security.
const DefaultNamespace = "kube-system"

// Config says which Multus is wanted. The zero Config is the recommended
// installation of [DefaultVersion]; every field changes one thing. A Config is
// plain data: it marshals to JSON, has DeepCopy and can be a field of a CRD's
// spec. It is not changed by any call.
//
// [Config.Validate] tells what is wrong with one, all problems at once.
type Config struct {
	// Version of Multus, one of [Versions]. Empty: DefaultVersion.
	Version string `json:"version,omitempty"`
	// Namespace for everything namespaced. Empty: DefaultNamespace. Another
	// one is created with the pod-security label "privileged", which the
	// DaemonSet needs.
	Namespace string `json:"namespace,omitempty"`
	// Platform says what cluster this is for. Zero: Render assumes nothing,
	// an Installer detects it.
	Platform Platform `json:"platform,omitzero"`

	// Image replaces the official thick image of Version, on all
	// architectures that ArchImages does not name. It should be the same
	// release: manifest, fixes and checks are those of Version. Empty: the
	// official one.
	Image string `json:"image,omitempty"`
	// PinDigest adds the index digest that is on record for Version to the
	// official image. The digests come from another project's history and
	// were not compared with the registry; a release without one is refused,
	// and so is Image beside it.
	PinDigest bool `json:"pinDigest,omitempty"`
	// ArchImages gives the nodes of an architecture ("arm64") an image of
	// their own, in a DaemonSet of their own. All must be of one release. An
	// install removes the DaemonSet of an architecture that is named no more.
	// Empty: one DaemonSet for all.
	ArchImages map[string]string `json:"archImages,omitempty"`
	// Registry replaces the registry host of every image, for sites with a
	// mirror: "registry.example.com/mirror" turns ghcr.io/a/b:c into
	// registry.example.com/mirror/a/b:c. Empty: images stay as they are.
	Registry string `json:"registry,omitempty"`

	// Resources of the containers. Empty fields keep the memory fix's values.
	Resources Resources `json:"resources,omitzero"`
	// Tolerations replace upstream's, which tolerate every NoSchedule and
	// NoExecute taint. Empty: upstream's.
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
	// NodeSelector limits the nodes that run Multus. Pods on other nodes get
	// no secondary networks. Empty: all nodes.
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`
	// Daemon overrides keys of daemon-config.json. Zero fields keep what
	// upstream and the fixes set.
	Daemon DaemonConfig `json:"daemon,omitzero"`
	// ReferencePlugins says how missing CNI plugins get onto the nodes. Zero:
	// see the reference-plugins fix.
	ReferencePlugins ReferencePlugins `json:"referencePlugins,omitzero"`

	// Skip names fixes that are not to be applied, as in [Fixes].
	Skip []string `json:"skip,omitempty"`
	// Patches change the finished Bundle in order, after all fixes. They
	// cannot be written in JSON.
	Patches []Patch `json:"-"`
}

// Patch is a change of the caller's own to a [Bundle].
type Patch struct {
	// Name and Reason are listed in Bundle.Fixes. Name is required.
	Name   string
	Reason string
	// Apply changes the Bundle in place. It is called once per Render and
	// must not keep the Bundle.
	Apply func(*Bundle) error
}

// Resources holds the resources of the containers in a Multus pod.
type Resources struct {
	// Daemon is the container that runs CNI plugins for every pod of the
	// node; their memory counts as its own.
	Daemon ContainerResources `json:"daemon,omitzero"`
	// Init is every init container.
	Init ContainerResources `json:"init,omitzero"`
}

// ContainerResources are Kubernetes quantities such as "250m" and "1Gi".
// An empty field keeps the default; a request of "0" requests nothing, a CPU
// limit of "0" takes the limit away.
type ContainerResources struct {
	RequestCPU    string `json:"requestCPU,omitempty"`
	RequestMemory string `json:"requestMemory,omitempty"`
	LimitCPU      string `json:"limitCPU,omitempty"`
	// LimitMemory may be no lower than what the release survives
	// and cannot be taken away: from Talos v1.12 on, a pod without a memory
	// limit is the first to be killed when a node runs out of memory.
	LimitMemory string `json:"limitMemory,omitempty"`
}

// ReferencePlugins says where the reference CNI plugins (macvlan, ipvlan,
// vlan, static, tuning, ...) come from that a node's OS does not ship.
type ReferencePlugins struct {
	// Install asks for them where the platform alone does not.
	Install bool `json:"install,omitempty"`
	// Image holds the plugins, a POSIX shell and chmod, cp, grep, mkdir, mv,
	// rm, sha256sum and sync, as one does that multus/image builds with Plugins.
	// Multus does not start on a node that cannot pull it. Empty:
	// ghcr.io/home-operations/cni-plugins:1.9.1.
	Image string `json:"image,omitempty"`
	// Dir is where they lie inside Image. Empty: /plugins.
	Dir string `json:"dir,omitempty"`
	// Plugins to copy, by file name. Empty: all in Dir.
	Plugins []string `json:"plugins,omitempty"`
}

// DaemonConfig overrides keys of daemon-config.json, the configuration of the
// Multus daemon. Field and key have the same name. A zero field leaves the key
// to upstream's manifest and the fixes. Paths are inside the pod unless said
// otherwise; the manifest mounts the host's /run and /etc/cni/net.d below
// /host. A key that the chosen release does not know is refused: the daemon
// itself would ignore it without a word.
type DaemonConfig struct {
	// CNIVersion of the configuration that the daemon writes for the runtime:
	// "0.3.0", "0.3.1", "0.4.0", "1.0.0" or, since v4.2.0, "1.1.0". From
	// "0.4.0" on it cannot be above what the primary CNI's conflist says.
	CNIVersion string `json:"cniVersion,omitempty"`

	// LogLevel is "debug", "verbose", "error" or "panic".
	LogLevel string `json:"logLevel,omitempty"`
	// LogToStderr is on in manifests since v4.1.0; without it a crash shows
	// no log (multus-cni #1071).
	LogToStderr *bool `json:"logToStderr,omitempty"`
	// LogFile is written beside or instead of stderr.
	LogFile string `json:"logFile,omitempty"`
	// LogOptions rotate LogFile.
	LogOptions *LogOptions `json:"logOptions,omitempty"`

	// MetricsPort serves Prometheus metrics on that port of the host
	// network, on all its addresses. Zero: off.
	MetricsPort int32 `json:"metricsPort,omitempty"`
	// EnablePprof adds /debug/pprof to MetricsPort. Since v4.3.0.
	EnablePprof bool `json:"enablePprof,omitempty"`
	// ConnectionLimit caps the CNI requests that run at once, each about
	// 55 MiB with Cilium. Since v4.3.0. Zero: derived from the memory limit.
	ConnectionLimit int32 `json:"connectionLimit,omitempty"`
	// PerNodeCertificate replaces the service account by a certificate per
	// node. Since v4.1.0.
	PerNodeCertificate *PerNodeCertificate `json:"perNodeCertificate,omitempty"`

	// MultusConfigFile must be "auto" since v4.1.0: with anything else the
	// daemon exits and restarts for ever (multus-cni #1366).
	MultusConfigFile string `json:"multusConfigFile,omitempty"`
	// MultusAutoconfigDir is where the primary CNI's conflist is looked for.
	MultusAutoconfigDir string `json:"multusAutoconfigDir,omitempty"`
	// CNIConfigDir is where 00-multus.conf is written.
	CNIConfigDir string `json:"cniConfigDir,omitempty"`
	// MultusMasterCNI is the primary CNI's file name in MultusAutoconfigDir.
	// Empty: what the primary-cni fix sets, else the first file by name.
	MultusMasterCNI string `json:"multusMasterCNI,omitempty"`
	// ReadinessIndicatorFile is a file that must exist before the daemon
	// starts; after 45 s it exits, and it exits when the file goes away.
	// Since v4.1.0.
	ReadinessIndicatorFile string `json:"readinessindicatorfile,omitempty"`
	// ForceCNIVersion rewrites the primary CNI's file on the node. It is
	// always refused: a node's primary CNI is not ours to edit.
	ForceCNIVersion bool `json:"forceCNIVersion,omitempty"`
	// OverrideNetworkName takes over the primary network's name.
	OverrideNetworkName bool `json:"overrideNetworkName,omitempty"`

	// ClusterNetwork names the primary network. Empty: MultusMasterCNI's path.
	ClusterNetwork string `json:"clusterNetwork,omitempty"`
	// Capabilities passed on. Empty: those of the primary CNI's conflist.
	Capabilities map[string]bool `json:"capabilities,omitempty"`
	// Delegates are CNI configurations to use instead of ClusterNetwork.
	Delegates []runtime.RawExtension `json:"delegates,omitempty"`
	// NamespaceIsolation keeps pods from using NADs of other namespaces.
	NamespaceIsolation bool `json:"namespaceIsolation,omitempty"`
	// GlobalNamespaces is a comma-separated list of namespaces whose NADs all
	// may use despite NamespaceIsolation. If set, "default" must be listed
	// again to stay global.
	GlobalNamespaces string `json:"globalNamespaces,omitempty"`
	// DefaultNetworks are NADs that every pod gets, but for pods in
	// SystemNamespaces.
	DefaultNetworks []string `json:"defaultNetworks,omitempty"`
	// SystemNamespaces is ["kube-system"] by default.
	SystemNamespaces []string `json:"systemNamespaces,omitempty"`
	// MultusNamespace is where NADs of ClusterNetwork and DefaultNetworks are
	// looked for. Empty: Config.Namespace.
	MultusNamespace string `json:"multusNamespace,omitempty"`
	// RetryDeleteOnError keeps a failed DEL to be tried again.
	RetryDeleteOnError bool `json:"retryDeleteOnError,omitempty"`
	// AuxiliaryCNIChainName chains the primary CNI behind the passthru
	// plugin under that name. Since v4.2.1.
	AuxiliaryCNIChainName string `json:"auxiliaryCNIChainName,omitempty"`

	// ChrootDir is where the host's / is mounted in the pod.
	ChrootDir string `json:"chrootDir,omitempty"`
	// SocketDir holds the daemon's socket. The daemon removes the whole
	// directory when it starts.
	SocketDir string `json:"socketDir,omitempty"`
	// DaemonSocketDir is the same directory as the shim sees it on the host.
	// Since v4.1.0.
	DaemonSocketDir string `json:"daemonSocketDir,omitempty"`
	// BinDir holds the CNI plugins, under the same path in pod and host.
	BinDir string `json:"binDir,omitempty"`
	// CNIDir holds the daemon's cache of delegates.
	CNIDir string `json:"cniDir,omitempty"`
	// ConfDir holds configurations for NADs with an empty config.
	ConfDir string `json:"confDir,omitempty"`
	// Kubeconfig replaces the in-cluster configuration.
	Kubeconfig string `json:"kubeconfig,omitempty"`
}

// LogOptions rotate a log file. Zero fields keep Multus' defaults.
type LogOptions struct {
	MaxAge     int32 `json:"maxAge,omitempty"`  // days
	MaxSize    int32 `json:"maxSize,omitempty"` // megabytes
	MaxBackups int32 `json:"maxBackups,omitempty"`
	Compress   bool  `json:"compress,omitempty"`
}

// PerNodeCertificate makes the daemon ask for a client certificate of its own.
// The cluster must run Multus' cert-approver and grant RBAC to the group
// system:multus; upstream ships no manifest for either.
type PerNodeCertificate struct {
	Enabled bool `json:"enabled,omitempty"`
	// BootstrapKubeconfig and CertDir are both required once Enabled.
	BootstrapKubeconfig string `json:"bootstrapKubeconfig,omitempty"`
	CertDir             string `json:"certDir,omitempty"`
	// CertDuration is a Go duration, 10m by default.
	CertDuration string `json:"certDuration,omitempty"`
}
