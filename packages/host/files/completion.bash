# bash completion of tcmu-host

_tcmu_host() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command='' word
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case $word in serve | handlers | filters | install | uninstall | update | devices | zones | eject | insert | check | test | dev | version | install-files | help) command=$word && break ;; esac
  done
  COMPREPLY=()
  case $prev in
    --config | --chap-secret-file | --chap-mutual-secret-file | --socket)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      return ;;
    --handler-root | --handler-path | --state-dir | -l | --tcmu-log-dir | --dest | --prefix)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      return ;;
    --frontend)
      mapfile -t COMPREPLY < <(compgen -W 'auto tcmu iscsi' -- "$cur")
      return ;;
    --foreign)
      mapfile -t COMPREPLY < <(compgen -W 'reject ignore' -- "$cur")
      return ;;
    --trace)
      mapfile -t COMPREPLY < <(compgen -W 'all errors off' -- "$cur")
      return ;;
    --reset-ring)
      mapfile -t COMPREPLY < <(compgen -W 'retry fail' -- "$cur")
      return ;;
    --io-engine)
      mapfile -t COMPREPLY < <(compgen -W 'auto uring threads' -- "$cur")
      return ;;
    --log-level)
      mapfile -t COMPREPLY < <(compgen -W '0 1 2 3 4 5 crit error warning info debug debug-scsi-cmd' -- "$cur")
      return ;;
    --portal | --poll-us | --lun | --placement | --target-name | --chap-user | --chap-mutual-user | --nofile | -f | --size | --options | --cfg | --refuses | --subtype | --filter | --inline-filter | --block-size)
      return ;;
  esac
  local handlers='--handler-root --handler-path --config --log-level --placement' words
  case $command in
    serve) words="$handlers --inline-filter --frontend --no-netlink --foreign --reset-ring --poll-us --io-engine --portal --lun --target-name --chap-user --chap-secret-file --chap-mutual-user --chap-mutual-secret-file --allow-open-portal --state-dir --socket --dbus --no-dbus --debug --nofile --tcmu-log-dir --version --help" ;;
    handlers) words="$handlers --json --socket --help enable disable" ;;
    install | update) words='--handler-root --config --socket --json --enable --help' ;;
    uninstall) words='--handler-root --config --socket --json --help' ;;
    filters) words="$handlers --inline-filter --json --help" ;;
    devices) words='--json --verbose --socket --help' ;;
    eject | insert) words='--force --socket --help' ;;
    zones) words='--json --map --watch --socket --help' ;;
    check) words="$handlers --size --options --json --help" ;;
    test) words="$handlers --cfg --refuses --subtype --filter --size --block-size --volatile --json --help" ;;
    dev) words='--lun --portal --trace --log-level --help' ;;
    version) words='--json --help' ;;
    install-files) words='--dest --prefix --help' ;;
    help) words='serve handlers filters install uninstall update devices zones eject insert check test dev version install-files' ;;
    *) words='serve handlers filters install uninstall update devices zones eject insert check test dev version install-files help --version --help' ;;
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  # A tarball or a folder.
  [[ $command == install && $cur != -* ]] && mapfile -t COMPREPLY < <(compgen -f -- "$cur")
  return 0
}

complete -F _tcmu_host tcmu-host
