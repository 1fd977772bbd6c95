package multus_test

import (
	"context"
	"fmt"
	"log"

	"github.com/multihome/multihome/multus"
	"github.com/multihome/multihome/multus/multustest"
)

// What a cluster tells of itself, in the middle of a Talos upgrade. The same
// call takes the client of a real one.
func ExampleDetect() {
	cluster, err := multustest.NewCluster(multustest.Options{
		Nodes: []multustest.Node{
			{Name: "a", Talos: "v1.13.9", Architecture: "amd64"},
			{Name: "b", Talos: "v1.12.7", Architecture: "arm64"},
		},
		PrimaryCNI: "cilium",
		Cilium:     multustest.Cilium{Exclusive: true},
	})
	if err != nil {
		log.Fatal(err)
	}
	detection, err := multus.Detect(context.Background(), cluster.Client())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(detection.Platform.Talos, detection.Platform.Architectures)
	fmt.Println(detection.Platform.PrimaryCNI, detection.Platform.PrimaryCNIConfig)
	for _, finding := range detection.Findings {
		fmt.Println(finding)
	}
	// Output:
	// v1.12.7 [amd64 arm64]
	// cilium 05-cilium.conflist
	// info platform/mixed-talos: status.nodeInfo.osImage: nodes run Talos v1.12.7 to v1.13.9; what is rendered suits the oldest; install again after the upgrade
}
