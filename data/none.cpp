namespace vox {}
