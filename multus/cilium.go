package multus

import (
	"context"

	"github.com/multihome/multihome"
)

// ciliumFindings judges what Cilium does with other conflists, and reads its
// settings for that if detection has not.
func (i *Installer) ciliumFindings(ctx context.Context, t *target) ([]multihome.Finding, error) {
	if t.survey.cilium == nil && !t.survey.whole {
		if err := t.survey.lookAtCilium(ctx, i.client); err != nil {
			return nil, err
		}
	}
	return t.survey.cilium.findings(), nil
}

// findings reports the exclusive mode, which is Helm's default. The agent then
// renames every other file in /etc/cni/net.d whenever the directory changes:
// 00-multus.conf is gone a moment after it is written, Multus' pods stay
// ready, and pods start without their networks.
func (c *ciliumFacts) findings() []multihome.Finding {
	if c == nil || !c.exclusive || c.conflist == "" { // it acts when it writes its own file
		return nil
	}
	return []multihome.Finding{{
		Code: "cilium/exclusive", Severity: multihome.SeverityError,
		Object: "ConfigMap " + c.namespace + "/cilium-config", Path: "data.cni-exclusive",
		Message: "Cilium is in exclusive mode and renames Multus' configuration to 00-multus.conf.cilium_bak",
		Remedy: "set Helm's cni.exclusive=false, restart the Cilium agents, and then Multus if it ran before; " +
			"editing the ConfigMap alone is undone by the next Helm upgrade",
		Source: "multus-cni #972, siderolabs/talos #10468, cilium daemon/cmd/cni/config.go",
	}}
}
