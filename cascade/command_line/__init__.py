"""The command line: `cascade` with its commands, and commands that are made of a target.

Most of it needs the extra `cli`; nothing of that is imported before a command line is read.

    app            the application `cascade`
    run, explain, visualize, templates, fireflies      its commands
    program        `cascade.cli`: a command of a target's own, with an option for each param
    target         finding what `module:name` says
    execution      running it, printing its value
    status         how a command ends: exit statuses, errors on one line
"""

__all__: list[str] = []
