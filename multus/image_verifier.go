package multus

import (
	"context"
	"fmt"
	"slices"

	"github.com/multihome/multihome"
)

// ImageVerifier looks into an image before a node pulls it. Package
// multus/image has one, image.Verifier; it is an interface here, so that who
// does without does not link a client for registries.
type ImageVerifier interface {
	// VerifyImage returns what is wrong with an image for its use: of severity
	// error what keeps a node from running it. An error says that the image
	// could not be judged.
	VerifyImage(ctx context.Context, use ImageUse) ([]multihome.Finding, error)
}

// VerifyingImages returns an Installer like this one whose Plan, and whose
// Install before it changes anything, have every image looked into that the
// nodes are going to pull. What is found joins the other findings: an Install
// refuses an image that does not run on the architecture of a node, and the
// remedy names the ways out. A registry that does not answer from where the
// program runs is the finding multus/image-unverified, to be listed in
// InstallOptions.Ignore where only the nodes reach it.
//
// Nil makes an Installer that looks into no image, as NewInstaller does.
func (i *Installer) VerifyingImages(verifier ImageVerifier) *Installer {
	out := &Installer{client: i.client, images: verifier}
	i.config.DeepCopyInto(&out.config)
	return out
}

// imageFindings has the images looked into.
func (i *Installer) imageFindings(ctx context.Context, t *target) ([]multihome.Finding, error) {
	if i.images == nil {
		return nil, nil
	}
	if len(t.config.Platform.Architectures) == 0 && !t.survey.sawNodes {
		if err := t.survey.lookAtNodes(ctx, i.client); err != nil {
			return nil, err
		}
		for _, node := range t.survey.nodes {
			if archs := &t.bundle.Config.Platform.Architectures; slices.Contains(architectures, node.arch) && !slices.Contains(*archs, node.arch) {
				*archs = append(*archs, node.arch)
			}
		}
	}
	var out []multihome.Finding
	for _, use := range t.bundle.ImageUses() {
		findings, err := i.images.VerifyImage(ctx, use)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("verify image %s: %w", use.Image, ctx.Err())
		}
		if err != nil {
			findings = append(findings, multihome.Finding{
				Code: "multus/image-unverified", Severity: multihome.SeverityError, Object: "Image " + use.Image,
				Message: fmt.Sprintf("it is not known whether it runs on %v: %v", use.Architectures, err),
				Remedy:  "see that the registry answers from here, or list this code in InstallOptions.Ignore",
			})
		}
		out = append(out, findings...)
	}
	return out, nil
}
