#!/usr/bin/env bash
# Builds what a control plane consists of with Debian's Go: binaries.sh DIR, where source.sh has put the source
set -euo pipefail
dir=$(realpath "$1")
commands=(kubeadm kubectl kubelet kube-apiserver kube-controller-manager kube-scheduler)
version=v1.20.2
package=k8s.io/kubernetes
cd "$dir/go/src/$package"
# neither modules nor a network; one job at a time, since this takes minutes and others may want the machine
export GO111MODULE=off GOPATH=$dir/go GOCACHE=$dir/cache GOFLAGS="" CGO_ENABLED=0
go=(nice -n 19 go build -p "${JOBS:-1}" -trimpath)

# Debian builds kubectl only, and leaves out the one generated file that the API server needs
definitions=pkg/generated/openapi/zz_generated.openapi.go
if [[ ! -e $definitions ]]; then
  "${go[@]}" -o "$dir/bin/openapi-gen" ./vendor/k8s.io/kube-openapi/cmd/openapi-gen
  # it reads Go's own sources too; found where they lie, types are named where they are imported from
  GOROOT=$(go env GOROOT) && export GOROOT
  mapfile -t types < <(grep -rlE '^// *\+k8s:openapi-gen=true' --include='*.go' pkg/apis staging/src |
    grep -vE '/(code-generator|sample-apiserver|zz_generated[^/]*)(/|$)' | xargs -n 1 dirname | sort -u | sed "s|^staging/src|vendor|; s|^|$package/|")
  (IFS=, && nice -n 19 "$dir/bin/openapi-gen" --input-dirs "${types[*]}" --output-package "$package/pkg/generated/openapi" \
    --output-file-base zz_generated.openapi.new --go-header-file vendor/k8s.io/code-generator/hack/boilerplate.go.txt \
    --report-filename "$dir/openapi.report")
  mv "${definitions%.go}.new.go" "$definitions"
fi

for name in client-go/pkg/version component-base/version; do
  flags+=" -X $package/vendor/k8s.io/$name.gitVersion=$version -X $package/vendor/k8s.io/$name.gitMajor=1"
  flags+=" -X $package/vendor/k8s.io/$name.gitMinor=20"
done
# without the drivers of public clouds and of Docker: half of the time, and of the size
for command in "${commands[@]}"; do
  [[ ! -e $dir/bin/$command ]] || continue
  "${go[@]}" -tags providerless,dockerless -ldflags "-s -w$flags" -o "$dir/bin/$command.new" "./cmd/$command"
  mv "$dir/bin/$command.new" "$dir/bin/$command"
done
