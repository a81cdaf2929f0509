/* The torque that costs least over the next steps, by Newton's method: no memory is allocated, no library is needed. */
#include "controller.h"
#include "cost.h"

#define STEPS 4
#define LARGEST 20.0f

static float clipped(float u)
{
    return u > LARGEST ? LARGEST : u < -LARGEST ? -LARGEST : u;
}

float control(float angle, float velocity)
{
    static float torque = 0.0f; /* the last one is where the search begins */
    const float *in[] = {&angle, &velocity, &torque};
    float slope, curvature;
    float *to_slope[] = {&slope}, *to_curvature[] = {&curvature};

    for (int k = 0; k < STEPS; k++) {
        if (cost_grad(in, to_slope, 0) != SYMDIFF_OK || cost_hessian(in, to_curvature, 0) != SYMDIFF_OK) {
            return 0.0f;
        }
        if (curvature <= 0.0f) {
            return torque;
        }
        torque = clipped(torque - slope / curvature);
    }
    return torque;
}
