# Completion of `zoo` in fish: zoo completion fish > ~/.config/fish/completions/zoo.fish
function __zoo_completion
    for line in (env _ZOO_COMPLETE=fish_complete COMP_WORDS=(commandline -cp) COMP_CWORD=(commandline -ct) zoo 2>/dev/null)
        set -l parts (string split -m 1 , -- $line)
        switch $parts[1]
            case dir
                __fish_complete_directories $parts[2]
            case file
                __fish_complete_path $parts[2]
            case plain
                echo $parts[2]
        end
    end
end
complete --no-files --command zoo --arguments "(__zoo_completion)"
