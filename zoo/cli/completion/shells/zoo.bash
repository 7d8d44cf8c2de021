# Completion of `zoo` in bash: put  eval "$(zoo completion bash)"  into ~/.bashrc
_zoo_completion() {
    local line value
    COMPREPLY=()
    while IFS= read -r line; do
        value=${line#*,}
        case $line in
        dir,*) compopt -o dirnames ;;
        file,*) compopt -o default ;;
        plain,*)
            COMPREPLY+=("$value")
            [[ $value == *[.=] ]] && compopt -o nospace
            # bash quotes what is said to be a file
            [[ $value == *[!A-Za-z0-9_.:/=@%+,-]* ]] && compopt -o filenames
            ;;
        esac
    done < <(_ZOO_COMPLETE=bash_complete COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD=$COMP_CWORD \
        COMP_LINE="${COMP_LINE:0:COMP_POINT}" COMP_WORDBREAKS="$COMP_WORDBREAKS" "$1" 2>/dev/null)
}
complete -F _zoo_completion zoo
