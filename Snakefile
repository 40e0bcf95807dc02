# Plain `snakemake` in this folder runs the whole workflow; its parts are in workflow/.
configfile: "config/config.yaml"


module painn_spectra:
    snakefile:
        "workflow/Snakefile"
    config:
        config


use rule * from painn_spectra
