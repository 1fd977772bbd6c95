package multus_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"

	"github.com/multihome/multihome/multus"
)

func ExampleRender() {
	bundle, err := multus.Render(multus.Config{
		Version: "v4.3.0",
		Platform: multus.Platform{
			Talos: "v1.13.9", PrimaryCNI: "cilium", Architectures: []string{"amd64", "arm64"},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, object := range bundle.Objects() {
		fmt.Println(object.GetObjectKind().GroupVersionKind().Kind, object.GetName())
	}
	for _, fix := range bundle.Fixes {
		fmt.Println("fix", fix.Name)
	}
	// Output:
	// CustomResourceDefinition network-attachment-definitions.k8s.cni.cncf.io
	// ServiceAccount multus
	// ClusterRole multus
	// ClusterRoleBinding multus
	// ConfigMap multus-daemon-config
	// DaemonSet kube-multus-ds
	// fix image-pin
	// fix netns
	// fix memory
	// fix startup
	// fix priority
	// fix primary-cni
	// fix reference-plugins
	// fix config-restart
}

// A Patch changes what no field of Config does.
func ExampleRender_patch() {
	bundle, err := multus.Render(multus.Config{Patches: []multus.Patch{{
		Name:   "surge",
		Reason: "our clusters are large",
		Apply: func(b *multus.Bundle) error {
			b.DaemonSets[0].Spec.MinReadySeconds = 5
			return nil
		},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	last := bundle.Fixes[len(bundle.Fixes)-1]
	fmt.Println(last.Name+":", last.Reason)
	// Output: surge: our clusters are large
}

func ExampleVersions() {
	versions := multus.Versions()
	fmt.Println(len(versions), "releases from", versions[0], "to", versions[len(versions)-1])
	// Output: 14 releases from v4.0.0 to v4.3.0
}

func ExampleFixes() {
	for _, fix := range multus.Fixes()[:2] {
		fmt.Printf("%s: %s (%s)\n", fix.Name, fix.Reason, fix.Source)
	}
	// Output:
	// image-pin: upstream's manifests name a moving image; a shim and a daemon of different releases stop every new pod of a node (multus-cni #1153, #1170, #1422; keiretsu-labs/kubernetes-manifests #2903, #2905)
	// netns: containerd keeps network namespaces in /var/run/netns, which on Talos up to v1.8 is not /run/netns; without this no new pod starts on such a node (Talos Multus guide; siderolabs/talos commits f711907e0, 203e02df4)
}

func ExampleBundle_Objects() {
	bundle, err := multus.Render(multus.Config{Namespace: "multus"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, object := range bundle.Objects() {
		fmt.Println(object.GetObjectKind().GroupVersionKind().Kind, cmp.Or(object.GetNamespace(), "(cluster)"))
	}
	// Output:
	// Namespace (cluster)
	// CustomResourceDefinition (cluster)
	// ServiceAccount multus
	// ClusterRole (cluster)
	// ClusterRoleBinding (cluster)
	// ConfigMap multus
	// DaemonSet multus
}

func ExampleBundle_YAML() {
	bundle, err := multus.Render(multus.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	yaml, err := bundle.YAML()
	if err != nil {
		fmt.Println(err)
		return
	}
	documents := bytes.Split(yaml, []byte("---\n"))
	fmt.Printf("%s", documents[1])
	// Output:
	// apiVersion: v1
	// kind: ServiceAccount
	// metadata:
	//   name: multus
	//   namespace: kube-system
}

func ExampleBundle_Images() {
	bundle, err := multus.Render(multus.Config{
		Platform: multus.Platform{Talos: "v1.13.9"},
		Registry: "registry.example.com/mirror",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, image := range bundle.Images() {
		fmt.Println(image)
	}
	// Output:
	// registry.example.com/mirror/home-operations/cni-plugins:1.9.1
	// registry.example.com/mirror/k8snetworkplumbingwg/multus-cni:v4.3.0-thick
}

func ExampleConfig_Validate() {
	err := multus.Config{
		Platform:  multus.Platform{PrimaryCNI: "cilium"},
		Resources: multus.Resources{Daemon: multus.ContainerResources{LimitMemory: "150Mi"}},
		Daemon:    multus.DaemonConfig{CNIVersion: "1.0.0"},
		Skip:      []string{"gravity"},
	}.Validate()
	fmt.Println(err)
	// Output:
	// daemon.cniVersion: Invalid value: "1.0.0": must not be above 0.3.1, which the primary CNI's conflist says (the daemon exits when that is below 0.4.0); set platform.primaryCNIVersion if it says more
	// resources.daemon.limitMemory: Invalid value: "150Mi": must be at least 256Mi: upstream's 50Mi and Talos' 150Mi were both killed when pods started in numbers
	// skip[0]: Unsupported value: "gravity": supported values: "image-pin", "netns", "shim-install", "memory", "startup", "priority", "primary-cni", "reference-plugins", "rbac", "config-restart", "arm64"
}

// A Config can be a field of a custom resource's spec.
func ExampleConfig_DeepCopyInto() {
	type Spec struct {
		Multus multus.Config `json:"multus"`
	}
	var spec, changed Spec
	if err := json.Unmarshal([]byte(`{"multus": {"skip": ["netns"]}}`), &spec); err != nil {
		fmt.Println(err)
		return
	}
	spec.Multus.DeepCopyInto(&changed.Multus)
	changed.Multus.Skip[0] = "memory"
	fmt.Println(spec.Multus.Skip, changed.Multus.Skip)
	// Output: [netns] [memory]
}

func ExamplePlatform_IsZero() {
	fmt.Println(multus.Platform{}.IsZero(), multus.Platform{Talos: "v1.13.9"}.IsZero())
	// Output: true false
}

func ExamplePlatform_DeepCopyInto() {
	platform := multus.Platform{Architectures: []string{"amd64"}}
	var changed multus.Platform
	platform.DeepCopyInto(&changed)
	changed.Architectures[0] = "arm64"
	fmt.Println(platform.Architectures, changed.Architectures)
	// Output: [amd64] [arm64]
}

func ExampleDaemonConfig_DeepCopyInto() {
	daemon := multus.DaemonConfig{SystemNamespaces: []string{"kube-system"}}
	var changed multus.DaemonConfig
	daemon.DeepCopyInto(&changed)
	changed.SystemNamespaces[0] = "talos-system"
	fmt.Println(daemon.SystemNamespaces, changed.SystemNamespaces)
	// Output: [kube-system] [talos-system]
}

func ExampleReferencePlugins_DeepCopyInto() {
	plugins := multus.ReferencePlugins{Plugins: []string{"macvlan"}}
	var changed multus.ReferencePlugins
	plugins.DeepCopyInto(&changed)
	changed.Plugins[0] = "ipvlan"
	fmt.Println(plugins.Plugins, changed.Plugins)
	// Output: [macvlan] [ipvlan]
}

func ExamplePlatform_String() {
	fmt.Println(multus.Platform{Talos: "v1.13.9", PrimaryCNI: "cilium", Architectures: []string{"amd64", "arm64"}})
	fmt.Println(multus.Platform{})
	// Output:
	// Talos v1.13.9, cilium, amd64, arm64
	// any cluster
}
