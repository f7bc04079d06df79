<?php

declare(strict_types=1);

namespace App\Kernel;

/** Who may call what: the permissions that controllers ask for, given to roles by patterns in the configuration. */
final class Access
{
    /** @var array<string, string> `Controller::method` => permission */
    private array $needed = [];
    /** @var array<string, array<string, true>> role => permissions, those of the roles it has included */
    private array $given = [];

    public function __construct(Classes $classes, Config $config)
    {
        foreach ($classes->methodsWith(Allowed::class) as $method => $allowed) {
            $this->needed["{$method->class}::{$method->name}"] = $allowed->permission;
        }
        $all = array_unique(array_values($this->needed));
        foreach ($config->get('access') as $role => ['includes' => $includes, 'allows' => $patterns]) {
            $this->given[$role] = $includes === '' ? [] : $this->given[$includes];
            foreach ($all as $permission) {
                foreach ($patterns as $pattern) {
                    if (fnmatch($pattern, $permission)) {
                        $this->given[$role][$permission] = true;
                    }
                }
            }
        }
    }

    public function check(string $role, string $controller, string $method): void
    {
        $permission = $this->needed["{$controller}::{$method}"] ?? null;
        if ($permission !== null && !isset($this->given[$role][$permission])) {
            throw new NotAllowed("{$role} is not allowed {$permission}");
        }
    }
}
