package image

import (
	"context"
	"fmt"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/multihome/multihome"
)

// VerifyOptions change one call of [Verify]. Zero checks that the image runs as
// Multus on amd64 and arm64.
type VerifyOptions struct {
	// Platforms that the image must run on: "linux/arm64", "linux/arm/v7".
	// Empty: linux/amd64 and linux/arm64.
	Platforms []string
	// Programs that the image must hold and that must be built for the
	// platform: absolute paths, names that are looked up in the image's PATH,
	// or "/plugins/*" for every program of a directory. Nil: what the
	// DaemonSet runs of the release that the image's tag names, or else of
	// multus.DefaultVersion. Empty and not nil: only the platforms count.
	Programs []string
	// Optional programs are those that only an uninstall needs: one that is
	// missing is a warning. Nil: none if Programs are given, else those of an
	// uninstall.
	Optional []string
	// Whole reads every layer to its end, so that all digests are compared.
	// Otherwise reading stops once every program is found, and a container
	// runtime is the one to compare.
	Whole bool
	// Registry says how registries are reached.
	Registry RegistryOptions
	// Limits bound what the image can cost.
	Limits Limits
}

// Verify looks into an image and tells whether it runs on each platform: is
// there an image for it, and what the header of every program that the
// DaemonSet runs says. Layers are streamed and never written to disk.
//
// ref is a reference such as ghcr.io/k8snetworkplumbingwg/multus-cni:v4.3.0-thick,
// "oci:" and the directory of an OCI layout, or "tar:" and a tarball, as
// docker save and OCI tools write it; behind a # follows the name of the image
// if there are several in it: "oci:images#v4.3.0".
//
// What is wrong with the image is in the Report; see [Report.Err]. An error
// says that it could not be judged. To test for: [ErrNotFound], [ErrDenied],
// *[LimitError], *[DigestError], and the context's error.
func Verify(ctx context.Context, ref string, options VerifyOptions) (Report, error) {
	src, err := open(ctx, ref, options)
	if err != nil {
		return Report{}, err
	}
	report, err := verify(ctx, src, ref, options)
	if closeErr := src.close(); err == nil && closeErr != nil {
		err = fmt.Errorf("image %s: %w", ref, closeErr)
	}
	return report, err
}

// VerifyIndex is [Verify] for an index in memory, such as Build returns. name
// is what the report calls it; its tag tells the release.
func VerifyIndex(ctx context.Context, name string, index v1.ImageIndex, options VerifyOptions) (Report, error) {
	return verify(ctx, &indexSource{indexes: []v1.ImageIndex{index}}, name, options)
}

// verification is one Verify under way.
type verification struct {
	source   source
	options  VerifyOptions
	limits   Limits
	programs []string
	optional []string
	report   Report
	fetched  int64
}

func verify(ctx context.Context, src source, ref string, options VerifyOptions) (Report, error) {
	v := &verification{source: src, options: options, limits: options.Limits.orDefault(), report: Report{Ref: ref}}
	if err := v.run(ctx); err != nil {
		return v.report, fmt.Errorf("image %s: %w", ref, err)
	}
	return v.report, nil
}

func (v *verification) run(ctx context.Context) error {
	wanted, err := v.wantedPlatforms()
	if err != nil {
		return err
	}
	if err := v.choosePrograms(); err != nil {
		return err
	}
	root, err := v.source.root(ctx)
	if err != nil {
		return err
	}
	if root.Digest.Algorithm != "" {
		v.report.Digest = root.Digest.String()
	}
	entries, err := v.entries(ctx, root)
	if err != nil {
		return err
	}
	v.reportOthers(entries, wanted)
	for _, p := range wanted {
		found, err := v.platform(ctx, p, entries)
		v.report.Platforms = append(v.report.Platforms, found)
		v.report.Fetched = v.fetched + v.source.read()
		if err != nil {
			return err
		}
	}
	return nil
}

func (v *verification) wantedPlatforms() ([]platform, error) {
	names := v.options.Platforms
	if len(names) == 0 {
		names = []string{"linux/amd64", "linux/arm64"}
	}
	var out []platform
	for _, name := range names {
		p, err := parsePlatform(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// add takes in a finding about a platform of the image.
func (v *verification) add(severity multihome.Severity, code string, p platform, message, remedy, source string) {
	v.report.Findings = append(v.report.Findings, multihome.Finding{
		Code: code, Severity: severity, Object: "Image " + v.report.Ref, Path: p.String(), Message: message, Remedy: remedy, Source: source,
	})
}
