# shellcheck shell=bash
# Sourced by build.sh: packages found and fetched, and layers, which are kept for the next image.
# shellcheck disable=SC2154 # here, layers, work, debs, locked, update and foreign are of build.sh
# how many layers of a kind are kept: three flavours for two architectures
keep=6 image=()

# the packages: those of a lock file, those found for the same request before, or what apt finds now
take_lock() {
  local found && found=$layers/found.$(cat "$work"/{common,apt.sources,{live,tools,boot}.packages} | sha256sum | cut -c 1-16).lock
  if [[ -n $locked ]]; then
    recipe compare "$locked" "$work"
  elif [[ -z $update && -e $found ]]; then
    cp "$found" "$work/builder.lock"
  else
    run 'finding packages' "$here/resolve.sh" "$work"
    cp "$work/builder.lock" "$found"
  fi
}

# layer NAME DIR RECIPE...: adds to `image` the layer that NAME.sh makes, unless it is kept: its directory is named after its recipe
layer() {
  local name=$1 dir=$2
  shift 2
  dir+=.$({ cat "$@" "$here/$name.sh" "$here/settings.sh" && echo "$SOURCE_DATE_EPOCH"; } | sha256sum | cut -c 1-32)
  image+=("$dir")
  if [[ -e $dir ]]; then touch "$dir" && return; fi
  echo "making layer ${dir##*/}" >&2
  [[ $name == script || -e $work/fetched ]] || run 'fetching packages' "$here/fetch.sh" "$work" "$debs"
  mkdir "$work/$name.layer"
  run "making layer ${dir##*/}" "${foreign[@]}" "$here/$name.sh" "$work/$name.layer" "$work"
  mv "$work/$name.layer" "$dir" && touch "$dir"
  forget "$name" "$dir"
}

# forget NAME DIR: of a kind of layers, DIR and the others used last stay
forget() {
  mkdir -p "$work/old"
  # moved first, so that one that is there is whole, whatever ends this
  find "$layers" -mindepth 1 -maxdepth 1 -name "$1.*" ! -path "$2" -printf '%T@ %p\n' | sort -rn | tail -n "+$keep" |
    cut -d ' ' -f 2- | xargs -rd '\n' mv -t "$work/old"
  rm -rf "$work/old"
}
