package talos

import "slices"

// DeepCopyInto copies c into out; nothing is shared.
func (c BridgeConfig) DeepCopyInto(out *BridgeConfig) {
	*out = c
	out.Links, out.Selectors = slices.Clone(c.Links), slices.Clone(c.Selectors)
	out.Addresses, out.Routes = slices.Clone(c.Addresses), slices.Clone(c.Routes)
	c.PrimaryLink.DeepCopyInto(&out.PrimaryLink)
}

// DeepCopyInto copies c into out; nothing is shared.
func (c BondConfig) DeepCopyInto(out *BondConfig) {
	*out = c
	out.Links, out.Selectors = slices.Clone(c.Links), slices.Clone(c.Selectors)
	out.Addresses, out.Routes = slices.Clone(c.Addresses), slices.Clone(c.Routes)
	c.PrimaryLink.DeepCopyInto(&out.PrimaryLink)
}

// DeepCopyInto copies c into out; nothing is shared.
func (c VLANConfig) DeepCopyInto(out *VLANConfig) {
	*out = c
	out.Addresses, out.Routes = slices.Clone(c.Addresses), slices.Clone(c.Routes)
	c.PrimaryLink.DeepCopyInto(&out.PrimaryLink)
}

// DeepCopyInto copies c into out; nothing is shared.
func (c LinkConfig) DeepCopyInto(out *LinkConfig) {
	*out = c
	out.Addresses, out.Routes = slices.Clone(c.Addresses), slices.Clone(c.Routes)
	c.PrimaryLink.DeepCopyInto(&out.PrimaryLink)
}

// DeepCopyInto copies c into out; nothing is shared.
func (c DHCPConfig) DeepCopyInto(out *DHCPConfig) {
	*out = c
	c.PrimaryLink.DeepCopyInto(&out.PrimaryLink)
}

// DeepCopyInto copies p into out; nothing is shared.
func (p PrimaryLink) DeepCopyInto(out *PrimaryLink) {
	*out = p
	out.Addresses, out.Routes = slices.Clone(p.Addresses), slices.Clone(p.Routes)
}
