#ifndef CONTROLLER_H
#define CONTROLLER_H

/* The torque for an angle (rad) and an angular velocity (rad/s); called every 0.05 s. */
float control(float angle, float velocity);

#endif
