// The addon's entry: exports the DataPlane class.
#include <napi.h>

#include "binding/dataplane_wrap.h"

namespace {

Napi::Object init(Napi::Env env, Napi::Object exports) {
  exports.Set("DataPlane", weft::binding::DataPlaneWrap::define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(weft, init)
