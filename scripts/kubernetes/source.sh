#!/usr/bin/env bash
# Fetches and unpacks Debian's source of Kubernetes as a GOPATH: source.sh DIR
# The host need not have deb-src among its sources: they are those of the builder image, with lists of their own.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd) dir=$1
tree=$dir/go/src/k8s.io/kubernetes
[[ ! -e $tree ]] || exit 0
rm -rf "$dir/fetched" && mkdir -p "$dir/fetched/lists/partial" "$(dirname "$tree")"
# shellcheck source-path=SCRIPTDIR
. "$here/../builder/settings.sh"
"$here/../builder/apt-sources.sh" "$dir/fetched"
sed -i 's/^Types: deb$/Types: deb-src/' "$dir/fetched/apt.sources"
mv "$dir/fetched/apt.sources" "$dir/fetched/source.sources"
cd "$dir/fetched"
# fetched as root: apt's own user may not come here
apt=(apt-get -qq -o APT::Sandbox::User=root -o "Dir::Etc::SourceList=$PWD/source.sources" -o Dir::Etc::SourceParts=/dev/null
  -o "Dir::State::Lists=$PWD/lists")
"${apt[@]}" update
"${apt[@]}" --download-only source kubernetes
apt-get -qq -o APT::Sandbox::User=root download golang-github-modern-go-reflect2-dev etcd-server
for deb in *.deb; do dpkg -x "$deb" debian; done
dpkg-source --no-check -x kubernetes_*.dsc tree >/dev/null
# maps are iterated through Go's own functions, which changed in 1.18: the copy in the source is older than that
rm -r tree/vendor/github.com/modern-go/reflect2
cp -r debian/usr/share/gocode/src/github.com/modern-go/reflect2 tree/vendor/github.com/modern-go/reflect2
mkdir -p "$dir/bin" && install debian/usr/bin/etcd "$dir/bin/etcd"
mv tree "$tree"
