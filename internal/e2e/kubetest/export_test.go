package kubetest

// BinaryOf is Binary for any module.
var BinaryOf = binary

// BuildOutput is what go build's output is written to.
type BuildOutput = buildOutput
