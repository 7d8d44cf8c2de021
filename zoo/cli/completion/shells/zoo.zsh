#compdef zoo
# Completion of `zoo` in zsh: put  eval "$(zoo completion zsh)"  into ~/.zshrc, after compinit
_zoo_completion() {
    local kind value help
    local -a whole whole_shown begun begun_shown
    for kind value help in "${(@f)$(_ZOO_COMPLETE=zsh_complete COMP_WORDS="${(j: :)words[1,CURRENT]}" \
        COMP_CWORD=$((CURRENT - 1)) ${words[1]} 2>/dev/null)}"; do
        [[ $help == _ ]] && help="" || help="  -- $help"
        case $kind in
        dir) _path_files -/ ;;
        file) _path_files ;;
        plain)
            if [[ $value == *[.=] ]]; then
                begun+=("$value") begun_shown+=("$value$help")
            else
                whole+=("$value") whole_shown+=("$value$help")
            fi
            ;;
        esac
    done
    (( $#whole )) && compadd -V zoo -d whole_shown -a whole
    (( $#begun )) && compadd -V zoo -S '' -d begun_shown -a begun
    return 0
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _zoo_completion "$@"
else
    compdef _zoo_completion zoo
fi
