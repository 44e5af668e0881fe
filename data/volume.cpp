#include "data/volume.h"
