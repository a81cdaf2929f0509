/* The controller on a desk: a simulated pendulum stands for the sensor and the motor. */
#include <math.h>
#include <stdio.h>

#include "controller.h"

int main(void)
{
    const float step = 0.001f;
    float angle = 0.8f, velocity = 0.0f, torque = 0.0f;

    for (int k = 0; k <= 3000; k++) {
        if (k % 50 == 0) {
            torque = control(angle, velocity);
        }
        if (k % 500 == 0) {
            printf("%.1f s: angle %7.4f, torque %8.4f\n", 0.001 * k, (double)angle, (double)torque);
        }
        velocity += step * (9.81f * sinf(angle) + torque);
        angle += step * velocity;
    }
    return fabsf(angle) < 0.01f ? 0 : 1;
}
