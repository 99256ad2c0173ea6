# ruff: noqa: SIM905
"""pycaffe's public names, as its modules and compiled classes have them."""

PUBLIC = {
    "caffe": """
        Net SGDSolver NesterovSolver AdaGradSolver RMSPropSolver AdaDeltaSolver
        AdamSolver NCCL Timer init_log log set_mode_cpu set_mode_gpu set_device
        Layer get_solver layer_type_list set_random_seed solver_count
        set_solver_count solver_rank set_solver_rank set_multiprocess has_nccl
        __version__ TRAIN TEST Classifier Detector io layers params NetSpec
        to_proto
    """.split(),
    "caffe.Net": """
        blobs blob_loss_weights params layers layer_dict inputs outputs
        top_names bottom_names forward backward forward_all forward_backward_all
        reshape copy_from share_with save save_hdf5 load_hdf5 set_input_arrays
        clear_param_diffs before_forward after_forward before_backward
        after_backward _forward _backward _batch _blobs _blob_names _layer_names
        _inputs _outputs _bottom_ids _top_ids _blob_loss_weights
        _set_input_arrays
    """.split(),
    "caffe._caffe.Blob": """
        data diff shape num channels height width count reshape _gpu_data_ptr
        _gpu_diff_ptr
    """.split(),
    "caffe.Layer": """
        blobs setup reshape forward backward type param_str phase
    """.split(),
    "caffe.SGDSolver": """
        net test_nets iter lr param add_callback solve step restore snapshot
        share_weights apply_update
    """.split(),
    "caffe._caffe.SolverParameter": """
        max_iter display layer_wise_reduce base_lr
    """.split(),
    "caffe.NCCL": """
        new_uid bcast
    """.split(),
    "caffe.Timer": """
        start stop ms
    """.split(),
    "caffe._caffe": """
        Net Blob Layer Solver SolverParameter LayerParameter SGDSolver
        NesterovSolver AdaGradSolver RMSPropSolver AdaDeltaSolver AdamSolver
        get_solver Timer NCCL init_log log has_nccl set_mode_cpu set_mode_gpu
        set_random_seed set_device solver_count set_solver_count solver_rank
        set_solver_rank set_multiprocess layer_type_list __version__ BlobVec
        RawBlobVec LayerVec StringVec IntVec DtypeVec NetVec BoolVec
    """.split(),
    "caffe.pycaffe": """
        Net SGDSolver NesterovSolver AdaGradSolver RMSPropSolver AdaDeltaSolver
        AdamSolver NCCL Timer
    """.split(),
    "caffe.io": """
        blobproto_to_array array_to_blobproto arraylist_to_blobprotovector_str
        blobprotovector_str_to_arraylist array_to_datum datum_to_array
        Transformer load_image resize_image oversample caffe_pb2
    """.split(),
    "caffe.io.Transformer": """
        preprocess deprocess set_transpose set_channel_swap set_raw_scale
        set_mean set_input_scale
    """.split(),
    "caffe.Classifier": """
        predict
    """.split(),
    "caffe.Detector": """
        detect_windows detect_selective_search crop configure_crop
    """.split(),
    "caffe.net_spec": """
        param_name_dict to_proto assign_proto Top Function NetSpec Layers
        Parameters layers params
    """.split(),
    "caffe.NetSpec": """
        to_proto
    """.split(),
    "caffe.net_spec.Top": """
        to_proto
    """.split(),
    "caffe.coord_map": """
        PASS_THROUGH_LAYERS conv_params crop_params UndefinedMapException
        coord_map AxisMismatchException compose inverse coord_map_from_to crop
    """.split(),
    "caffe.draw": """
        LAYER_STYLE_DEFAULT NEURON_LAYER_STYLE BLOB_STYLE get_pooling_types_dict
        get_edge_label get_layer_lr_mult get_layer_label
        choose_color_by_layertype get_pydot_graph draw_net draw_net_to_file
    """.split(),
    "caffe.proto": """
        caffe_pb2
    """.split(),
}

MESSAGES = """
    BlobShape BlobProto BlobProtoVector Datum FillerParameter NetParameter
    SolverParameter SolverState NetState NetStateRule ParamSpec LayerParameter
    TransformationParameter LossParameter AccuracyParameter ArgMaxParameter
    ClipParameter ConcatParameter BatchNormParameter BiasParameter
    ContrastiveLossParameter ConvolutionParameter CropParameter DataParameter
    DropoutParameter DummyDataParameter EltwiseParameter ELUParameter EmbedParameter
    ExpParameter FlattenParameter HDF5DataParameter HDF5OutputParameter
    HingeLossParameter ImageDataParameter InfogainLossParameter
    InnerProductParameter InputParameter LogParameter LRNParameter
    MemoryDataParameter MVNParameter ParameterParameter PoolingParameter
    PowerParameter PythonParameter RecurrentParameter ReductionParameter
    ReLUParameter ReshapeParameter ScaleParameter SigmoidParameter SliceParameter
    SoftmaxParameter SwishParameter TanHParameter TileParameter ThresholdParameter
    WindowDataParameter SPPParameter V1LayerParameter V0LayerParameter
    PReLUParameter Phase
""".split()
