// The AEAD back end for x86-64 with AVX-512 IFMA. See aead_avx512.cc for how it works.
#pragma once

#include "crypto/aead.h"

namespace weft::crypto {

// nullptr where the CPU (or the architecture) cannot run it.
const Aead* avx512_aead();

}  // namespace weft::crypto
