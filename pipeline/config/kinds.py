"""What follows from the kind of label."""



BINARY = ("0", "1")  # labels unless others are given
LIKELIHOOD = {"binary": "bce", "multiclass": "cross_entropy", "multilabel": "bce", "multioutput": "cross_entropy",
              "tokens": "cross_entropy"}
OTHER_DEFAULTS = {"tokens": {"stage1.monitor": "f1", "stage2.monitor": "f1", "submit.metric": "f1"}}
