"""The library: competition tables in; out-of-fold predictions, reports and submissions out.

Its floors, from the bottom up. A module imports from its own floor and those below; tests/test_layers.py holds that.

    errors, lazy, arrays    lines for the user and exit codes; modules imported late; names of arrays
    stage_table             what a stage is and what a cell is, declared once
    backend                 the one import of TensorFlow and Keras
    files/                  what is read is looked at first, what is written is whole
    machine/                screen, signals, cores and memory
    metrics/                what a competition scores by, intervals, thresholds
    config/                 every key
    tasks/                  what a label is, one module for each kind
    text/                   texts to token ids to packed batches; vocabularies, corpora
    competition/            the organiser's files to validated tables to folds
    checkpoints/            encoders on disk
    model/                  encoders, heads, losses, network
    runs/                   a run: its cells, their identities, its lock; who fits the cells
    proposal/               a configuration proposed from a competition's files
    contributions           the n-grams that moved a linear model
    baseline                tf-idf: the number to beat
    doctor/                 what the data alone say before training
    training/               one cell of stage 1 or 2
    pretraining/            one cell of stage 0
    inference/              a finished run in memory and over HTTP
    results/                what the finished cells say
    blending/               what several runs say together
    page/                   the report as one page to work in
    export/                 a finished run in another form
    notebook                a run in a notebook, a method for each stage
"""
