"""Templates: workflows to begin with, one YAML file each, in the folder `automate_templates` of any installed app."""
