# shellcheck shell=bash
# Sourced by build.sh: packages found and fetched, and layers, which are kept for the next image.
# shellcheck disable=SC2154 # here, layers, work, debs, locked, update and foreign are of build.sh
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

# layer NAME DIR RECIPE...: runs NAME.sh, unless the layer is there and its recipe is the same
layer() {
  local name=$1 dir=$2 recipe
  shift 2
  recipe=$(cat "$@" "$here/$name.sh" "$here/settings.sh" | sha256sum)
  if [[ -e $dir/recipe && $(<"$dir/recipe") == "$recipe" ]]; then return; fi
  echo "making layer ${dir##*/}" >&2
  [[ $name == script || -e $work/fetched ]] || run 'fetching packages' "$here/fetch.sh" "$work" "$debs"
  mkdir "$work/$name.layer"
  run "making layer ${dir##*/}" "${foreign[@]}" "$here/$name.sh" "$work/$name.layer" "$work"
  echo "$recipe" >"$work/$name.layer/recipe"
  rm -rf "$dir" && mv "$work/$name.layer" "$dir"
}
