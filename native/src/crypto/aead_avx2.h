// The AEAD back end for x86-64 with AVX2 and BMI2. See aead_avx2.cc for how it works.
#pragma once

#include "crypto/aead.h"

namespace weft::crypto {

// nullptr where the CPU (or the architecture) cannot run it.
const Aead* avx2_aead();

}  // namespace weft::crypto
