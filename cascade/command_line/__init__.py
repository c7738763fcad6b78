"""The command line: `cascade` with its commands, and commands for the targets of programs.

Most of it needs the extra `cli`, whose packages are imported when a command line is read.

    app            the application `cascade`
    run, explain, visualize, templates, fireflies      its commands
    program        `cascade.cli`: a command for one target, with an option for each param
    target         the object that `module:name` names
    arguments, options     the arguments that it takes
    completion     the targets that a shell offers
    execution      running it, printing its value
    json_value     its value as JSON
    progress       a line on the terminal while it takes long
    status         exit statuses, and errors on one line
"""

__all__: list[str] = []
