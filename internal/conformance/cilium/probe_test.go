package cilium_test

import (
	_ "github.com/cilium/cilium/daemon/cmd/cni"
	_ "github.com/cilium/cilium/pkg/hive"
	_ "github.com/cilium/cilium/pkg/option"
	_ "github.com/multihome/multihome/multus/multustest"
	_ "helm.sh/helm/v4/pkg/chart/common/util"
	_ "helm.sh/helm/v4/pkg/chart/v2/loader"
	_ "helm.sh/helm/v4/pkg/engine"
)
