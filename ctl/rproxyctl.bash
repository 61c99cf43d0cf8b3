# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# Completion of rproxyctl for bash.

_rproxyctl()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command= word i
    local options='--url --socket --status-path --manage-path --user --json --soft --yes --once --via --jobs --interval
        --timeout --help --version'
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            status|members|drain|disable|enable|weight|add|remove|purge|warm|verify) command=$word; break ;;
        esac
    done
    COMPREPLY=()
    case $previous in
        -s|--socket) COMPREPLY=($(compgen -f -- "$current")); return ;;
        purge) COMPREPLY=($(compgen -W 'url prefix tag all' -- "$current")); return ;;
    esac
    case $current in
        -*) COMPREPLY=($(compgen -W "$options" -- "$current")); return ;;
    esac
    case $command in
        '') COMPREPLY=($(compgen -W 'status members drain disable enable weight add remove purge warm verify' -- "$current")) ;;
        drain|disable|enable|weight|remove)
            COMPREPLY=($(compgen -W "$(rproxyctl members --names 2>/dev/null)" -- "$current"))
            type __ltrim_colon_completions >/dev/null 2>&1 && __ltrim_colon_completions "$current" ;;
        warm) COMPREPLY=($(compgen -f -- "$current")) ;;
    esac
}
complete -F _rproxyctl rproxyctl
